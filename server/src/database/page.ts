// Lists: keyset pages behind opaque cursors, so that page 50,000 costs what page 1 costs and nothing that was there
// throughout is repeated or skipped. `?page=n` works too, by offset; its `next` goes on by cursor.

import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ApiError, invalid, readAll } from '../errors.ts';
import { parseInstant } from '../instant.ts';
import { empty, join, raw, sql, type Sql } from './database.ts';

export const DEFAULT_PAGE_SIZE = 20;
export const MAX_PAGE_SIZE = 100;
export const MAX_LARGE_PAGE_SIZE = 1000;
const MAX_OFFSET = 1_000_000_000;

/** The order of a list: columns that together are unique, all in one direction. */
export interface Order<Row> {
  /** Part of the cursor: a cursor of another list is refused. */
  name: string;
  columns: { column: string; type: 'timestamptz' | 'uuid' | 'bigint' | 'text' }[];
  descending: boolean;
  key(row: Row): string[];
}

interface Cursor {
  key: string[];
  backwards: boolean;
  count: number | null;
  /** Whatever else a list must carry from page to page. */
  extra: string | null;
}

export interface PageRequest {
  size: number;
  number: number;
  cursor: Cursor | undefined;
  /** Whether the count must be taken now: it is the first page, and it was not declined. */
  wantsCount: boolean;
}

export const PageQuery = {
  page_size: Type.Optional(
    Type.String({
      description: `Rows a page, 1 to ${MAX_PAGE_SIZE}; more is taken as that. Default ${DEFAULT_PAGE_SIZE}.`,
      examples: ['20'],
    }),
  ),
  page: Type.Optional(Type.String({ description: 'A page by number, from 1.', examples: ['1'] })),
  cursor: Type.Optional(Type.String({ description: 'As `next` and `previous` carry it.' })),
  count: Type.Optional(Type.String({ description: '`false`: do not count; `count` is null.', examples: ['false'] })),
};

export const PageOf = <T extends Parameters<typeof Type.Array>[0]>(item: T) =>
  Type.Object({
    count: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description: 'All rows of the list, not of this page.',
    }),
    next: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'Absolute URL of the next page.' }),
    previous: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'Absolute URL of the page before.' }),
    results: Type.Array(item),
  });

export type Query = Record<string, string | string[] | undefined>;

export function readPage(
  request: FastifyRequest,
  order: Pick<Order<never>, 'name' | 'columns'>,
  maxSize = MAX_PAGE_SIZE,
): PageRequest {
  const [size, number, isCounted] = readNumbers(request);
  const text = (request.query as Query)['cursor']; // as there
  const cursor = text === undefined ? undefined : decode(text, order);
  if (number > MAX_OFFSET / maxSize) throw new ApiError('not_found', { detail: 'Invalid page.' });
  return { size: Math.min(size, maxSize), number, cursor, wantsCount: cursor === undefined && isCounted };
}

/** What a page asks for beside its cursor, which belongs to an order that may not be known yet. */
export function readNumbers(request: FastifyRequest): [size: number, number: number, isCounted: boolean] {
  const query = request.query as Query; // Fastify parses it to strings and lists of strings
  return readAll(
    () => positive(query, 'page_size', DEFAULT_PAGE_SIZE),
    () => positive(query, 'page', 1),
    () => readCount(query),
  );
}

function readCount(query: Query): boolean {
  const { count = 'true' } = query;
  if (count !== 'true' && count !== 'false') throw invalid('count', 'This must be true or false.');
  return count === 'true';
}

function positive(query: Query, name: string, fallback: number): number {
  const text = query[name];
  if (text === undefined) return fallback;
  if (typeof text !== 'string' || !/^\d+$/.test(text) || Number(text) < 1)
    throw invalid(name, 'This must be a whole number of 1 or more.');
  return Number(text);
}

/** What a page adds to a statement: ` and (…) > (…)` or nothing, and `order by … limit …`. One row more than asked tells of a next page. */
export function pageClause<Row>(page: PageRequest, order: Order<Row>): { after: Sql; orderAndLimit: Sql } {
  const backwards = page.cursor?.backwards ?? false;
  const descending = order.descending !== backwards;
  const columns = order.columns.map(({ column }) => raw(column));
  const direction = raw(descending ? ' desc' : ' asc');
  const after = page.cursor
    ? sql` and (${join(columns)}) ${raw(descending ? '<' : '>')} (${join(order.columns.map(({ type }, i) => sql`${page.cursor?.key[i]}::${raw(type)}`))})`
    : empty;
  const offset = page.cursor ? 0 : (page.number - 1) * page.size;
  return {
    after,
    orderAndLimit: sql` order by ${join(columns.map((column) => sql`${column}${direction}`))} limit ${page.size + 1}${offset > 0 ? sql` offset ${offset}` : empty}`,
  };
}

export interface Page<T> {
  count: number | null;
  next: string | null;
  previous: string | null;
  results: T[];
}

/**
 * The answer of a list. `rows` as the statement gave them (with the one row more); `count` where it was taken,
 * `undefined` to carry the cursor's.
 */
export function presentPage<Row, T>(
  request: FastifyRequest,
  page: PageRequest,
  order: Order<Row>,
  rows: Row[],
  count: number | undefined,
  present: (row: Row) => T,
  extra: string | null = page.cursor?.extra ?? null,
): Page<T> {
  const backwards = page.cursor?.backwards ?? false;
  const more = rows.length > page.size;
  const shown = rows.slice(0, page.size);
  if (backwards) shown.reverse();
  if (page.cursor === undefined && page.number > 1 && shown.length === 0)
    throw new ApiError('not_found', { detail: 'Invalid page.' });
  const total = count ?? page.cursor?.count ?? null;
  const [first, last] = [shown[0], shown.at(-1)];
  const hasNext = backwards || more;
  const hasPrevious = backwards ? more : page.cursor !== undefined || page.number > 1;
  const link = (row: Row, back: boolean): string =>
    pageUrl(request, 'cursor', encode(order.name, { key: order.key(row), backwards: back, count: total, extra }));
  return {
    count: total,
    next: hasNext && last ? link(last, false) : null,
    previous: hasPrevious && first ? link(first, true) : null,
    results: shown.map(present),
  };
}

/** This list from another place on. */
export function pageUrl(request: FastifyRequest, name: 'cursor' | 'after', value: string): string {
  // A request line may hold a whole URL; its host is not ours to repeat.
  const url = new URL(request.url.replace(/^[a-z]+:\/\/[^/?]*/i, ''), request.origin);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  url.searchParams.delete('page');
  url.searchParams.set(name, value);
  return url.href;
}

function encode(name: string, cursor: Cursor): string {
  return Buffer.from(
    JSON.stringify([name, cursor.backwards ? 1 : 0, cursor.count, cursor.extra, ...cursor.key]),
  ).toString('base64url');
}

function decode(text: string | string[], order: Pick<Order<never>, 'name' | 'columns'>): Cursor {
  const fields = typeof text === 'string' ? parse(text) : undefined;
  if (!Array.isArray(fields)) throw badCursor();
  const [name, backwards, count, extra, ...key] = fields as unknown[];
  const sound =
    name === order.name &&
    (backwards === 0 || backwards === 1) &&
    (count === null || (Number.isSafeInteger(count) && Number(count) >= 0)) &&
    (extra === null || typeof extra === 'string') &&
    key.length === order.columns.length &&
    key.every((part, i) => typeof part === 'string' && FORMS[order.columns[i]?.type ?? 'text'](part));
  if (!sound) throw badCursor();
  return {
    key: key as string[],
    backwards: backwards === 1,
    count: count as number | null,
    extra: extra as string | null,
  }; // checked above
}

const FORMS = {
  timestamptz: (text: string) => text === '-infinity' || parseInstant(text) !== undefined,
  uuid: (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text),
  bigint: (text: string) => /^-?\d{1,18}$/.test(text),
  text: (text: string) => text.length <= 1000 && !text.includes('\0') && text.isWellFormed(),
};

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

const badCursor = (): ApiError => new ApiError('not_found', { detail: 'Invalid cursor.' });
