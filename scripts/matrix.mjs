// The tests on other versions of Node and PostgreSQL than this checkout's own, one after the other:
// `node scripts/matrix.mjs --node 22,24 --postgres 15,16,17 -- --project server server/src/database`. Both come from npm, once, into
// a folder outside of the checkout. With --node the whole run is on that Node, its child processes too; with --postgres the tests have a
// server of that version as TEST_DATABASE_URL, made as the embedded one is, for a role that may make databases and no more. What follows `--` is vitest's.

import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'grandstand', 'matrix');
const DURABILITY_OFF = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

const { values, positionals } = parseArgs({
  options: { node: { type: 'string' }, postgres: { type: 'string' } },
  allowPositionals: true,
});
const lanes = [
  ...listed('node').map((version) => ({ name: `Node ${version}`, run: () => onNode(version) })),
  ...listed('postgres').map((version) => ({ name: `PostgreSQL ${version}`, run: () => onPostgres(version) })),
];
if (lanes.length === 0) throw new Error('say which: --node 22,24 or --postgres 15,16,17 or both');

function listed(option) {
  const versions = (values[option] ?? '').split(',').filter((version) => version !== '');
  const odd = versions.find((version) => !/^\d+(\.\d+)*$/.test(version));
  if (odd !== undefined) throw new Error(`--${option} takes versions such as 22,24, not ${odd}`);
  return versions;
}

/** The folder of an installed package, which other checkouts find there, too. */
function install(name, version) {
  const folder = join(cache, `${name.replace(/.*\//, '')}-${version}`);
  if (!existsSync(folder)) {
    const partial = `${folder}.${process.pid}`;
    mkdirSync(partial, { recursive: true });
    writeFileSync(join(partial, 'package.json'), '{ "private": true }\n');
    const npm = ['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
    const { status } = spawnSync('npm', [...npm, `${name}@${version}`], {
      cwd: partial,
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: process.platform === 'win32',
    });
    if (status !== 0) throw new Error(`npm could not install ${name}@${version}`);
    try {
      renameSync(partial, folder);
    } catch (error) {
      rmSync(partial, { recursive: true, force: true }); // another run was faster
      if (!existsSync(folder)) throw error;
    }
  }
  return join(folder, 'node_modules', name);
}

async function onNode(version) {
  const bin = join(install('node', version), 'bin');
  const node = join(bin, process.platform === 'win32' ? 'node.exe' : 'node');
  const found = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim();
  if (!found?.startsWith(`v${version}.`) && found !== `v${version}`) throw new Error(`${node} is ${found}`);
  return { is: found, ...(await vitest(node, { PATH: `${bin}${delimiter}${process.env.PATH}` })) };
}

async function onPostgres(version) {
  // As the server does it, whose compiled files these are.
  const compiled = (file) => import(pathToFileURL(join(root, 'server', 'dist', 'database', file)).href);
  const { BINARIES_PACKAGE, findInstalledBinaries, OLDER_BINARIES } = await compiled('embedded-binaries.js');
  const { startEmbedded } = await compiled('embedded.js');
  const folder = install(BINARIES_PACKAGE, OLDER_BINARIES[version] ?? version);
  const installed = findInstalledBinaries(join(folder, 'package.json'));
  const dataDir = mkdtempSync(join(tmpdir(), 'grandstand-matrix-'));
  chmodSync(dataDir, 0o755);
  const log = { info: () => {}, warn: () => {}, error: (text) => process.stderr.write(`${text}\n`) };
  const settings = { ...DURABILITY_OFF, max_connections: '300' };
  const server = await startEmbedded({ dataDir, installed, settings, log });
  try {
    return { is: installed.version, ...(await vitest(process.execPath, { TEST_DATABASE_URL: server.url })) };
  } finally {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Beside the server that a lane starts, so not in a call that waits. */
async function vitest(node, environment) {
  const folder = mkdtempSync(join(tmpdir(), 'grandstand-matrix-'));
  const report = join(folder, 'tests.json');
  const program = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const options = ['run', '--reporter=dot', '--reporter=json', `--outputFile.json=${report}`, ...positionals];
  const startedAt = performance.now();
  const child = spawn(node, [program, ...options], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const status = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const found = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined;
  rmSync(folder, { recursive: true, force: true });
  const failed = found?.numFailedTests ?? 0;
  return {
    passed: found?.numPassedTests ?? 0,
    failed: status !== 0 && failed === 0 ? 1 : failed, // a file that did not load, an error outside of a test
    skipped: (found?.numPendingTests ?? 0) + (found?.numTodoTests ?? 0),
    seconds,
  };
}

const total = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
for (const { name, run } of lanes) {
  process.stdout.write(`\n== ${name} ==\n`);
  const result = await run().catch((error) => ({ passed: 0, failed: 1, skipped: 0, seconds: 0, is: error.message }));
  for (const key of Object.keys(total)) total[key] += result[key];
  lines.push(
    `${name} (${result.is}): ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped, ${result.seconds} s`,
  );
}
process.stdout.write(`\n${lines.join('\n')}\n`);
process.stdout.write(
  `\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`,
);
process.exitCode = total.failed === 0 ? 0 : 1;
