// Feeds: numbered rows, upwards, of which a poller asks for those after the last that it saw. Sequences have no gaps, so a
// page by number begins where it would by counting.

import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { DEFAULT_PAGE_SIZE, MAX_LARGE_PAGE_SIZE, pageUrl, readPage, type Page } from '../database/page.ts';
import { ApiError, invalid, readAll } from '../errors.ts';

export const FeedQuery = Type.Object({
  after: Type.Optional(
    Type.String({
      description: 'The sequence of the last change that was seen. Default 0: from the beginning.',
      examples: ['0'],
    }),
  ),
  page_size: Type.Optional(
    Type.String({
      description: `Rows a page, 1 to ${MAX_LARGE_PAGE_SIZE}; more is taken as that. Default ${DEFAULT_PAGE_SIZE}.`,
    }),
  ),
  page: Type.Optional(Type.String({ description: 'A page by number, from 1.' })),
});

/** A feed goes on by sequence; a cursor can only come from another list. */
const NO_CURSOR = { name: 'changes', columns: [] };

export interface FeedPosition {
  /** As the caller gave it. */
  after: number;
  /** Where the page that was asked for begins. */
  from: number;
  size: number;
}

export function readFeedPosition(request: FastifyRequest): FeedPosition {
  const [{ size, number }, after] = readAll(
    () => readPage(request, NO_CURSOR, MAX_LARGE_PAGE_SIZE),
    () => readSequence((request.query as { after?: string }).after),
  );
  return { after, from: after + (number - 1) * size, size };
}

function readSequence(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (typeof text !== 'string' || !/^\d{1,15}$/.test(text))
    throw invalid('after', 'This must be a sequence: a whole number of 0 or more.');
  return Number(text);
}

/** The answer; `newest` is the last sequence of the feed in the snapshot of the rows. */
export function presentFeed<Row, T>(
  request: FastifyRequest,
  { after, from }: FeedPosition,
  rows: Row[],
  newest: number,
  present: (row: Row) => T,
): Page<T> {
  if (from > after && rows.length === 0) throw new ApiError('not_found', { detail: 'Invalid page.' });
  const seen = from + rows.length;
  return {
    count: Math.max(0, newest - after),
    next: seen < newest ? pageUrl(request, 'after', String(seen)) : null,
    previous: null,
    results: rows.map(present),
  };
}
