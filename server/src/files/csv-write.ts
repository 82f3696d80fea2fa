// The only writer of CSV.

/** What spreadsheets take for a formula; further quotes before it would be read away. */
const FORMULA = /^'*[=+\-@\t\r\n＝＋－＠]/;
const NUMBER = /^-?\d+(\.\d+)?$/;

/**
 * A cell that spreadsheets show as it is: what they would calculate gets a `'` before it, which they do not show and which
 * `plainCell` takes away again. Numbers are left alone.
 */
export function csvCell(text: string): string {
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",;\r\n\t]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** What `csvCell` was given. */
export const plainCell = (cell: string): string => (cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell);

export const csvRow = (cells: readonly (string | number | boolean | null | undefined)[]): string =>
  `${cells.map((cell) => (cell === null || cell === undefined ? '' : csvCell(String(cell)))).join(',')}\r\n`;
