// The SDK's example app, from the folder that documents it.

import { readFile } from 'node:fs/promises';
import { notFound } from '../errors.ts';
import { findFolder } from './built.ts';
import type { App } from './route.ts';

const SDK = findFolder('sdk/');

const FILES: Record<string, { file: string; type: string }> = {
  '': { file: 'examples/fan/index.html', type: 'text/html' },
  'fan.css': { file: 'examples/fan/fan.css', type: 'text/css' },
  'fan.js': { file: 'examples/fan/fan.js', type: 'text/javascript' },
  'grandstand.min.js': { file: 'dist/grandstand.min.js', type: 'text/javascript' },
};

export function exampleRoutes(app: App): void {
  for (const [name, { file, type }] of Object.entries(FILES)) {
    app.get(`/examples/fan/${name}`, { schema: { hide: true } }, async (_request, reply) => {
      const body = await readFile(SDK + file).catch(() => {
        throw notFound();
      });
      return reply.type(`${type}; charset=utf-8`).header('cache-control', 'no-cache').send(body);
    });
  }
}
