// The documentation at /docs, as site/build.mjs left it: what there is is known from the start, and a file is read when it is asked
// for, since few are. Pages are asked for again each time, files with a hash in their name never. The policy is that of every answer: no
// inline script, nothing from elsewhere.

import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import { notFound } from '../errors.ts';
import { findFolder } from './built.ts';
import type { App } from './route.ts';
import { chooseEncoding, COPIES, notBuilt, sendRevalidated, typeOf } from './static-files.ts';

const DIST = findFolder('site/dist/');

export async function siteRoutes(app: App, context: Context): Promise<void> {
  const names = listFiles();
  if (!names.has('index.html')) context.log.warn('the documentation was not built; `npm run build` makes it');

  app.get('/docs', { schema: { hide: true } }, async (request, reply) =>
    // Links within pages are of /docs/; so is what a browser keeps of it.
    request.url.startsWith('/docs/') ? send(request, reply, '') : reply.redirect('docs/', 308),
  );
  app.get(
    '/docs/*',
    { schema: { hide: true } },
    async (request, reply) => send(request, reply, (request.params as { '*': string })['*'].replace(/\/$/, '')), // the path's rest
  );

  async function send(request: FastifyRequest, reply: FastifyReply, path: string): Promise<FastifyReply> {
    const places = path === '' ? ['index.html'] : [path, `${path}.html`, `${path}/index.html`];
    const found = places.find((name) => names.has(name) && !COPIES.some(([, suffix]) => name.endsWith(suffix)));
    if (found !== undefined) return sendFile(request, reply, names, found);
    if (!names.has('index.html')) return reply.code(503).type('text/html; charset=utf-8').send(NOT_BUILT);
    if (!String(request.headers.accept).includes('text/html')) throw notFound();
    return sendFile(request, reply.code(404), names, '404.html');
  }
}

/** Paths below the site's folder, `/` between their parts on every system. */
function listFiles(): Set<string> {
  try {
    const entries = readdirSync(DIST, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    return new Set(
      files.map(({ parentPath, name }) => join(parentPath, name).slice(DIST.length).replaceAll('\\', '/')),
    );
  } catch {
    return new Set();
  }
}

async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  names: ReadonlySet<string>,
  name: string,
): Promise<FastifyReply> {
  const copies = new Map(COPIES.filter(([, suffix]) => names.has(name + suffix)));
  const encoding = chooseEncoding(request.headers['accept-encoding'], copies.keys());
  const body = await readFile(DIST + name + (encoding === undefined ? '' : (copies.get(encoding) ?? '')));
  reply.type(typeOf(name) ?? 'text/plain; charset=utf-8').header('vary', 'accept-encoding');
  if (encoding !== undefined) reply.header('content-encoding', encoding);
  if (/(^|\/)assets\//.test(name))
    return reply.header('cache-control', 'public, max-age=31536000, immutable').send(body);
  return sendRevalidated(request, reply, body);
}

const NOT_BUILT = notBuilt('The documentation', 'To have it here,');
