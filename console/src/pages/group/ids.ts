// Ids from a text that was pasted or a file that was chosen: CSV or one a line, with or without a header.

import { isUuid } from '../../search.ts';

export interface ReadId {
  id: string;
  /** From 1. */
  line: number;
}

export interface ReadIds {
  kind: 'profile_ids' | 'custom_ids';
  ids: ReadId[];
  repeated: number;
}

const HEADERS: Record<string, ReadIds['kind']> = {
  profile_id: 'profile_ids',
  profile_ids: 'profile_ids',
  id: 'profile_ids',
  custom_id: 'custom_ids',
  custom_ids: 'custom_ids',
};

/** The cells of one line of CSV; a quoted cell may hold commas and doubled quotes. */
export function cellsOf(line: string): string[] {
  const cells: string[] = [];
  const pattern = /\s*(?:"((?:[^"]|"")*)"|([^,;\t]*))\s*(?:[,;\t]|$)/gy;
  for (let match = pattern.exec(line); match; match = pattern.exec(line)) {
    cells.push(match[1] !== undefined ? match[1].replaceAll('""', '"') : (match[2] ?? '').trim());
    if (pattern.lastIndex >= line.length && !/[,;\t]$/.test(line)) break;
    if (match[0] === '') break;
  }
  return cells;
}

export function readIds(text: string): ReadIds {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  const header = cellsOf(lines[0] ?? '').map((cell) => HEADERS[cell.toLowerCase()]);
  const column = header.findIndex((kind) => kind !== undefined);
  const seen = new Set<string>();
  const ids: ReadId[] = [];
  let repeated = 0;
  const add = (id: string, line: number): void => {
    if (id === '') return;
    if (seen.has(id)) repeated++;
    else {
      seen.add(id);
      ids.push({ id, line });
    }
  };
  for (const [index, line] of lines.entries()) {
    if (index === 0 && column >= 0) continue;
    const cells = cellsOf(line);
    // With a header its column counts; without, every cell is an id.
    if (column >= 0) add(cells[column] ?? '', index + 1);
    else for (const cell of cells) add(cell, index + 1);
  }
  const kind =
    header[column] ??
    (ids.length > 0 && ids.filter(({ id }) => isUuid(id)).length * 2 >= ids.length ? 'profile_ids' : 'custom_ids');
  return { kind, ids, repeated };
}

/** A cell of CSV that spreadsheets read as text, whatever it begins with. */
export const csvCell = (text: string): string => (/[",;\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
