// Builds what npm start serves: the SDK, the server, the console. `--if-needed` skips what is newer than its sources.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const ifNeeded = process.argv.includes('--if-needed');

const parts = [
  {
    name: 'sdk',
    sources: ['sdk/src', 'sdk/package.json', 'sdk/build.mjs'],
    output: 'sdk/dist',
    command: ['npm', 'run', '--silent', 'build', '-w', 'sdk'],
  },
  {
    name: 'server',
    sources: ['server/src', 'server/tsconfig.json', 'tsconfig.base.json'],
    output: 'server/dist',
    command: ['npx', 'tsc', '-p', 'server/tsconfig.json'],
  },
  {
    name: 'console',
    sources: ['console/src', 'console/index.html', 'console/package.json'],
    output: 'console/dist',
    command: ['npm', 'run', '--silent', 'build', '-w', 'console'],
  },
];

/** The newest modification below a path, 0 where there is nothing. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), 0);
}

for (const { name, sources, output, command } of parts) {
  const changed = Math.max(...sources.map((source) => newest(join(root, source))));
  if (ifNeeded && newest(join(root, output)) >= changed) continue;
  process.stdout.write(`building ${name}\n`);
  const [program, ...rest] = command;
  execFileSync(program, rest, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
}
