// What the console's files and the documentation's have in common: what they are called on the wire, and which copy a reader takes.

import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Of the copies that builds lay beside a file, by the name of their encoding; the smallest first. */
export const COPIES = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

const TYPES: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json; charset=utf-8',
  svg: 'image/svg+xml',
  woff2: 'font/woff2',
  png: 'image/png',
};

export const typeOf = (name: string): string | undefined => TYPES[name.split('.').pop() ?? ''];

/** Which of the copies a request takes; undefined: none. */
export function chooseEncoding<T extends string>(accepted: string | undefined, available: Iterable<T>): T | undefined {
  for (const encoding of available)
    if (new RegExp(`\\b${encoding}\\b(?!\\s*;\\s*q=0(\\.0*)?\\s*(,|$))`).test(accepted ?? '')) return encoding;
  return undefined;
}

/** For what is asked for again each time: 304 where the reader has these very bytes. */
export function sendRevalidated(request: FastifyRequest, reply: FastifyReply, body: Buffer): FastifyReply {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  reply.header('cache-control', 'no-cache').header('etag', etag);
  if (reply.statusCode === 200 && request.headers['if-none-match'] === etag) return reply.code(304).send();
  return reply.send(body);
}

/** The page in the place of what was not built; `instead` says what there is and how to build it. */
export const notBuilt = (what: string, instead: string): Buffer =>
  Buffer.from(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Grandstand</title></head>
<body>
<h1>${what} was not built</h1>
<p>${instead} run <code>npm run build</code> in the folder of the server and start it again.</p>
<p><a href="/docs/api">The API’s reference</a></p>
</body>
</html>
`);
