// `npm test`: everything that must hold before a change lands, ending with one line `N passed, N failed`.
// Types, lint, formatting, import boundaries and generated files count as one test each; vitest's tests as themselves.
// At another time or place: `--clock 23:59`, `--tz Asia/Kathmandu`, `--locale tr_TR.UTF-8`; whatever else is vitest's.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { placeEnvironment, readPlace } from './anywhere.mjs';
import { testKotlin } from './test-kotlin.mjs';
import { testSwift } from './test-swift.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const report = join(root, '.artifacts', 'tests.json');
const { place, rest: only } = readPlace(process.argv.slice(2));
let passed = 0;
let failed = 0;
let skipped = 0;

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32', ...options });
}

/** Counts as one test. What it says stands in one piece, whatever runs beside it. */
async function check(name, command, args) {
  const started = Date.now();
  const { status, output } = await outcomeOf(command, args);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${output}${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n`);
  if (status === 0) passed++;
  else failed++;
  return status === 0;
}

function outcomeOf(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    let output = '';
    const note = (data) => (output += data);
    child.stdout.setEncoding('utf8').on('data', note);
    child.stderr.setEncoding('utf8').on('data', note);
    child.once('error', (error) => resolve({ status: 1, output: `${error.message}\n` }));
    child.once('close', (status) => resolve({ status, output }));
  });
}

/** Some tests need a program that npm does not have; on Debian, as root, it is installed. */
function ensure(program, paths, what) {
  const isThere = () => paths.some((path) => existsSync(path));
  if (isThere()) return;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && existsSync('/usr/bin/apt-get')) {
    process.stdout.write(`installing ${program} for the tests of ${what}\n`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', program], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  if (!isThere())
    process.stdout.write(
      `\n*** NO ${program.toUpperCase()}: the tests of ${what} are SKIPPED. ***\n*** Install it as ${paths[0]} to run them. ***\n\n`,
    );
}

mkdirSync(join(root, '.artifacts'), { recursive: true });
rmSync(report, { force: true });

if (!(await check('build and types', process.execPath, ['scripts/build.mjs'])))
  process.stdout.write('the build failed; what follows may be stale\n');
if (only.length === 0) {
  // Lint takes as long as the others together.
  const others = async () => {
    await check('types of tests and benchmarks', 'npx', ['tsc', '-p', '.']);
    await check('formatting', 'npx', ['prettier', '--check', '--log-level', 'warn', '.']);
    await check('import boundaries', 'npm', ['run', '--silent', 'tidy']);
    await check('generated files', process.execPath, ['scripts/generate.mjs', '--check']);
  };
  await Promise.all([check('lint', 'npx', ['eslint', '.', '--max-warnings', '0']), others()]);
}
ensure('chromium', ['/usr/bin/chromium'], 'pages');
ensure('pgbouncer', ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer'], 'poolers');
const { status } = run(
  'npx',
  ['vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...only],
  { env: { ...process.env, ...placeEnvironment(place) } },
);
if (existsSync(report)) {
  const results = JSON.parse(readFileSync(report, 'utf8'));
  passed += results.numPassedTests;
  failed += results.numFailedTests;
  skipped += results.numPendingTests + results.numTodoTests;
  if (status !== 0 && results.numFailedTests === 0) failed++; // a file that did not load, an error outside of a test
} else failed++;
if (only.length === 0) {
  for (const native of [testKotlin(), testSwift()]) {
    passed += native.passed;
    failed += native.failed;
    skipped += native.skipped;
  }
}

process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exitCode = failed === 0 ? 0 : 1;
