/** A line of an outline. */
export interface Line {
  level: number;
  text: string;
}

export interface Aligned {
  left: Line | undefined;
  right: Line | undefined;
}

const same = (a: Line | undefined, b: Line | undefined): boolean => a?.level === b?.level && a?.text === b?.text;

/** Rows with a line of each side, so that as many as possible are the same on both: their longest common subsequence. */
export function align(left: readonly Line[], right: readonly Line[]): Aligned[] {
  // common[i][j]: how many lines can be paired from left[i] and right[j] on.
  const common = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      const row = common[i];
      if (row) row[j] = same(left[i], right[j]) ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const rows: Aligned[] = [];
  for (let i = 0, j = 0; i < left.length || j < right.length;) {
    if (i < left.length && j < right.length && same(left[i], right[j]))
      rows.push({ left: left[i++], right: right[j++] });
    else if (j >= right.length || (i < left.length && at(i + 1, j) >= at(i, j + 1)))
      rows.push({ left: left[i++], right: undefined });
    else rows.push({ left: undefined, right: right[j++] });
  }
  return rows;
}
