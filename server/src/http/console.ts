// The console's files, as its build left them. Hashed files are immutable; pages are asked for again each time and get a
// policy stricter than the API's: nothing from elsewhere, no inline script, no inline style. Not @fastify/static: it is shorter, but
// answers 500 to a path that leaves the folder, and calls scripts application/javascript (console-files.test.ts).

import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { notFound } from '../errors.ts';
import { findFolder } from './built.ts';
import type { App } from './route.ts';
import { chooseEncoding, COPIES, notBuilt, sendRevalidated, typeOf } from './static-files.ts';

const DIST = findFolder('console/dist/');

/** Every address that the console's own routes own: a deep link gets the same page as `/`. */
const PAGES = ['/', '/apps', '/apps/*', '/account', '/sign-in', '/invitation'];

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface File {
  body: Buffer;
  type: string;
  /** Compressed copies by the name of their encoding. */
  encodings: Map<string, Buffer>;
}

export async function consoleRoutes(app: App, context: Context): Promise<void> {
  const index = join(DIST, 'index.html');
  if (!existsSync(index)) context.log.warn('the console was not built; `npm run build` makes it');
  const assets = await load(join(DIST, 'assets'));
  const publicFiles = await load(DIST);

  for (const path of PAGES) {
    app.get(path, { schema: { hide: true } }, async (request, reply) => sendPage(request, reply, index));
  }
  app.get('/assets/:file', { schema: { hide: true } }, async (request, reply) => {
    const { file } = request.params as { file: string }; // named in the path
    return sendFile(request, reply, assets.get(file), 'public, max-age=31536000, immutable');
  });
  for (const name of ['theme.js', 'favicon.svg']) {
    app.get(`/${name}`, { schema: { hide: true } }, async (request, reply) =>
      sendFile(request, reply, publicFiles.get(name), 'public, max-age=3600'),
    );
  }
}

/** The files directly in a folder, their compressed copies beside them; none where it is missing. */
async function load(folder: string): Promise<Map<string, File>> {
  const files = new Map<string, File>();
  const names: string[] = await readdir(folder).catch(() => []);
  for (const name of names) {
    const type = typeOf(name);
    if (type === undefined) continue;
    const encodings = new Map<string, Buffer>();
    for (const [encoding, suffix] of COPIES) {
      if (names.includes(name + suffix)) encodings.set(encoding, await readFile(join(folder, name + suffix)));
    }
    files.set(name, { body: await readFile(join(folder, name)), type, encodings });
  }
  return files;
}

function sendPage(request: FastifyRequest, reply: FastifyReply, index: string): FastifyReply {
  const built = existsSync(index);
  reply
    .code(built ? 200 : 503)
    .header('content-security-policy', POLICY)
    .header('cross-origin-opener-policy', 'same-origin')
    .type('text/html; charset=utf-8');
  return sendRevalidated(request, reply, built ? readFileSync(index) : NOT_BUILT);
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: File | undefined, caching: string): FastifyReply {
  if (!file) throw notFound();
  reply.header('cache-control', caching).header('vary', 'accept-encoding').type(file.type);
  const encoding = chooseEncoding(request.headers['accept-encoding'], file.encodings.keys());
  if (encoding === undefined) return reply.send(file.body);
  return reply.header('content-encoding', encoding).send(file.encodings.get(encoding));
}

const NOT_BUILT = notBuilt('The console', 'The API works. To have the console here,');
