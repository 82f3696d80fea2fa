// The rows of a piece as the items that the API takes, each with what it looked like.

import type { FieldErrors } from '../errors.ts';
import { csvRow, plainCell } from '../files/csv-write.ts';
import { findUnsound, mayBeUnsound } from '../http/unsound.ts';
import { isRecord } from '../rules/fields.ts';
import type { Import } from './import.ts';

/** What was read of a file: a line and its text, or its cells. */
export type PieceRow = [line: number, content: string | string[]];

/** `row` is asked of those that are rejected only. */
export type Item = { line: number; row: () => string } & Read;

/** `problems`: of text that cannot be stored. */
type Read = { value: unknown; problems: FieldErrors | undefined } | { problem: string };

/** Of profiles and activities. */
export function readItem({ kind, format, options }: Import, [line, content]: PieceRow): Item {
  const row = (): string => showRow(content, options.columns);
  if (typeof content !== 'string') {
    const { columns = [] } = options;
    if (content.length !== columns.length)
      return { line, row, problem: `${content.length} cells, where the header has ${columns.length}.` };
    const read = kind === 'profiles' ? profileOf(columns, content) : activityOf(columns, content);
    if ('value' in read && content.some(mayHoldUnsound)) read.problems = findUnsound(read.value);
    return { line, row, ...read };
  }
  const value = parseLine(content);
  if (!isRecord(value)) return { line, row, problem: format === 'ndjson' ? 'not a JSON object.' : 'not readable.' };
  if (kind === 'activities') {
    // Our own exports carry more than an activity is sent with.
    delete value['received_at'];
    if (value['profile_id'] != null) delete value['custom_id'];
  }
  const masked = 'access_token' in value ? () => JSON.stringify({ ...value, access_token: '…' }) : row;
  return { line, row: masked, value, problems: mayBeUnsound(content) ? findUnsound(value) : undefined };
}

/** By itself, or in the JSON that stands in it. */
const mayHoldUnsound = (cell: string): boolean => cell.includes('\0') || !cell.isWellFormed() || mayBeUnsound(cell);

export function parseLine(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** As it was, but without what must not be read by others: an access token is a credential. */
export function showRow(content: string | string[], columns?: (string | null)[]): string {
  if (typeof content === 'string') return content;
  const cells = content.map((cell, index) => (columns?.[index] === 'access_token' && cell !== '' ? '…' : cell));
  return csvRow(cells.map(plainCell)).trimEnd();
}

/** Blank cells say nothing. */
function profileOf(columns: (string | null)[], cells: string[]): Read {
  const item: Record<string, unknown> = {};
  const pairs: { key: string; value: string }[] = [];
  for (const [index, field] of columns.entries()) {
    const text = plainCell(cells[index] ?? '');
    if (field === null || text === '') continue;
    if (field === 'attributes') {
      const attributes = readPairs(text);
      if (!attributes) return { problem: 'attributes: this must be JSON, such as [{"key":"team","value":"red"}].' };
      item[field] = attributes;
    } else if (field.startsWith('attributes.')) pairs.push({ key: field.slice('attributes.'.length), value: text });
    else item[field] = text;
  }
  // Columns of their own leave the other keys alone; beside a list of all pairs they are part of it.
  const { attributes: list } = item;
  const keys = new Set(pairs.map(({ key }) => key));
  if (pairs.length > 0)
    item['attributes'] = Array.isArray(list)
      ? [...list.filter((pair) => !isRecord(pair) || !keys.has(String(pair['key']))), ...pairs]
      : { set: pairs };
  return { value: item, problems: undefined };
}

/** A list of pairs, or an object of them. */
function readPairs(text: string): unknown {
  const value = parseLine(text);
  if (Array.isArray(value)) return value;
  if (!isRecord(value)) return undefined;
  return Object.entries(value).flatMap(([key, each]) => [each].flat().map((one) => ({ key, value: one })));
}

function activityOf(columns: (string | null)[], cells: string[]): Read {
  const item: Record<string, unknown> = {};
  for (const [index, field] of columns.entries()) {
    const text = plainCell(cells[index] ?? '');
    if (field === null || text === '') continue;
    if (field === 'value') item[field] = /^\d{1,15}$/.test(text) ? Number(text) : text;
    else if (field === 'data') {
      const data = parseLine(text);
      if (!isRecord(data)) return { problem: 'data: this must be a JSON object, such as {"match":6}.' };
      item[field] = data;
    } else item[field] = text;
  }
  // Exports carry both; the profile's own id is the surer one.
  if (item['profile_id'] !== undefined) delete item['custom_id'];
  return { value: item, problems: undefined };
}
