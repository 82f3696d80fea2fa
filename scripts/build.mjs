// Builds what npm start serves: the SDK, the server, the console, and the documentation beside them, since it needs none of them and
// a processor of its own where there is one. `--if-needed` skips what is newer than its sources.

import { execFileSync, spawn } from 'node:child_process';
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

const documentation = {
  name: 'documentation',
  sources: [
    ...['docs', 'deploy', 'site/.vitepress', 'site/build.mjs', 'site/contents.mjs', 'package.json'],
    ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'],
    ...['sdk', 'sdk-kotlin', 'sdk-swift'].flatMap((folder) => [`${folder}/README.md`, `${folder}/docs`]),
  ],
  output: 'site/dist/version.txt',
};

/** The newest modification below a path, 0 where there is nothing. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), 0);
}

function isFresh({ sources, output }) {
  const changed = Math.max(...sources.map((source) => newest(join(root, source))));
  return ifNeeded && newest(join(root, output)) >= changed;
}

/** What it says is shown where it fails. */
function buildDocumentation() {
  if (isFresh(documentation)) return Promise.resolve();
  if (!existsSync(join(root, 'node_modules/vitepress'))) {
    process.stdout.write('no documentation: VitePress is not installed, `npm install` brings it\n');
    return Promise.resolve();
  }
  process.stdout.write(`building ${documentation.name}\n`);
  const child = spawn(process.execPath, ['site/build.mjs'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      if (code !== 0) process.stderr.write(output);
      if (code !== 0) process.exitCode = 1;
      resolve();
    });
  });
}

const documented = buildDocumentation();
for (const part of parts) {
  if (isFresh(part)) continue;
  const { name, command } = part;
  process.stdout.write(`building ${name}\n`);
  const [program, ...rest] = command;
  execFileSync(program, rest, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
}
await documented;
