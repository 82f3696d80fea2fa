// `npm start`: builds what is missing or stale, then runs the server with the arguments given.

import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), '--if-needed'], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
process.argv.splice(2, 0, 'start');
await import('../server/dist/cli.js');
