// Puts what runs in production into one folder, which is the npm package and the content of the container image alike:
// `node scripts/stage.mjs FOLDER` after a build. `--with-dependencies` adds node_modules without what only development needs, as
// the lock file has them and npm installed them here.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const SERVER = '@grandstand/server';

function refuse(what) {
  process.stderr.write(`${what}\n`);
  process.exit(1);
}

function stageProgram(out) {
  const isForDevelopment = (path) => /(\.test\.js|\.map|\.tsbuildinfo)$|[/\\]testing(\.js|[/\\]|$)/.test(path);
  const copy = (from, to = from) =>
    cpSync(join(root, from), join(out, to), {
      recursive: true,
      filter: (path) => !isForDevelopment(relative(root, path)),
    });
  for (const built of [
    'server/dist/cli.js',
    'console/dist/index.html',
    'site/dist/index.html',
    'sdk/dist/grandstand.min.js',
  ])
    if (!existsSync(join(root, built))) refuse(`${built} is missing: run \`npm run build\` first.`);
  for (const folder of ['bin', 'dist', 'migrations']) copy(`server/${folder}`, folder);
  copy('console/dist');
  copy('site/dist');
  copy('sdk/examples');
  copy('sdk/dist/grandstand.min.js');
  for (const file of ['LICENSE', 'CHANGELOG.md', 'server/README.md', 'docs/licences.md'])
    copy(file, file.replace(/^\w+\//, ''));
  const {
    private: _,
    devDependencies: __,
    ...manifest
  } = JSON.parse(readFileSync(join(root, 'server/package.json'), 'utf8'));
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Where npm put everything that the server needs, each once. */
function listDependencies() {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = ['ls', '--workspace', SERVER, '--omit=dev', '--all', '--parseable'];
  const paths = execFileSync(npm, args, { cwd: root, encoding: 'utf8' }).trim().split('\n');
  return [...new Set(paths)].filter((path) => path !== root && !path.endsWith(join('node_modules', SERVER)));
}

function stageDependencies(out) {
  const paths = listDependencies();
  for (const path of paths) {
    // What only the server has in this version lies beside it; there is nobody else in `out`.
    const place = relative(root, path).replace(/^server[/\\]/, '');
    const shared = join(root, place);
    if (shared !== path && paths.includes(shared))
      refuse(`${place} is needed in two versions, and only one can stand in ${out}/node_modules.`);
    mkdirSync(dirname(join(out, place)), { recursive: true });
    // A package inside of a package is a line of its own. Static libraries are for compiling.
    const isPart = (from) => !relative(path, from).split(/[/\\]/).includes('node_modules') && !from.endsWith('.a');
    cpSync(path, join(out, place), { recursive: true, verbatimSymlinks: true, filter: isPart });
  }
}

const args = process.argv.slice(2);
const [folder] = args.filter((arg) => !arg.startsWith('--'));
if (folder === undefined) refuse('node scripts/stage.mjs FOLDER [--with-dependencies]');
const out = resolve(folder);
if (existsSync(out) && readdirSync(out).length > 0) refuse(`${out} is not empty.`);
mkdirSync(out, { recursive: true });
stageProgram(out);
if (args.includes('--with-dependencies')) stageDependencies(out);
