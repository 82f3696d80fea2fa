// The console's build: hashed files below /assets, each beside its compressed copies, and a limit on what a first visit
// downloads.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const MAX_FIRST_LOAD = 200_000;
/** Of a page that comes when it is opened, beyond the first load. */
const MAX_PAGE = 40_000;

/** Compresses once, at build time; the server hands out the bytes. Fails where the first load grew too large. */
function compressed(): Plugin {
  return {
    name: 'grandstand-compressed',
    apply: 'build',
    writeBundle(options, bundle) {
      const dir = options.dir ?? 'dist';
      const sizes = new Map<string, number>();
      for (const name of readdirSync(join(dir, 'assets'))) {
        if (!/\.(js|css|svg)$/.test(name)) continue;
        const bytes = readFileSync(join(dir, 'assets', name));
        const gzip = gzipSync(bytes, { level: 9 });
        sizes.set(`assets/${name}`, gzip.length);
        writeFileSync(join(dir, 'assets', `${name}.gz`), gzip);
        writeFileSync(
          join(dir, 'assets', `${name}.br`),
          brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
        );
      }
      const first = new Set<string>();
      const follow = (name: string): void => {
        const chunk = bundle[name];
        if (first.has(name) || chunk?.type !== 'chunk') return;
        first.add(name);
        chunk.imports.forEach(follow);
      };
      for (const chunk of Object.values(bundle)) if (chunk.type === 'chunk' && chunk.isEntry) follow(chunk.fileName);
      const total = [...first].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
      this.info(`first load: ${(total / 1000).toFixed(1)} kB of script, gzipped (limit ${MAX_FIRST_LOAD / 1000} kB)`);
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk' || !chunk.isDynamicEntry) continue;
        const more = [chunk.fileName, ...chunk.imports].filter((name) => !first.has(name));
        const size = more.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
        if (size > MAX_PAGE) this.error(`${chunk.fileName} loads ${size} bytes of script; the limit is ${MAX_PAGE}.`);
      }
      if (total > MAX_FIRST_LOAD)
        this.error(`The first load is ${total} bytes of script; the limit is ${MAX_FIRST_LOAD}.`);
    },
  };
}

export default defineConfig({
  plugins: [react(), compressed()],
  // From its sources, so that the two are always of one build.
  resolve: { alias: { '@grandstand/sdk/server': fileURLToPath(new URL('../sdk/src/server.ts', import.meta.url)) } },
  build: {
    target: 'es2023',
    sourcemap: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: Infinity, // the limit is on what a first visit downloads
    modulePreload: { polyfill: false },
  },
  server: { port: 7071, proxy: { '/api': 'http://127.0.0.1:7070', '/readyz': 'http://127.0.0.1:7070' } },
});
