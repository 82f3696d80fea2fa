// The tests of sdk-swift/ against a real server: `node scripts/test-swift.mjs [--filter …]`. They run with the Swift that is here. On
// Linux, where there is none, Debian's next release has one: it is set up once, in a folder outside of the checkout, since that takes
// two minutes and 3.3 GB; only as root, and only with CI=true or NATIVE=1.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const SET_UP_MS = 15 * 60_000;

/** Where Debian with Swift in it is kept, and used again by every checkout. */
const debian =
  process.env.GRANDSTAND_SWIFT_ROOT ??
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'grandstand', 'trixie');

/** In a space of mounts of its own, so that none is left behind whatever happens. */
const inDebian = (folder, script, args = []) => [
  'unshare',
  [
    '--mount',
    'sh',
    '-ec',
    `mkdir -p "$0/src"; mount --bind /proc "$0/proc"; mount --bind "$1" "$0/src"; folder="$0"; shift
     exec chroot "$folder" env -C /src HOME=/root LD_LIBRARY_PATH=/usr/libexec/swift/lib/swift/linux ${script} "$@"`,
    folder,
    root,
    ...args,
  ],
];

const run = ([program, args], options = {}) =>
  spawnSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, ...options });

const isThere = (program, ...args) => run([program, args]).status === 0;

/** `{swift}`: how Swift is called in this checkout; `{lacks}` where it cannot be. */
function findSwift() {
  const own = run(['swift', ['--version']]);
  // Another program of that name speaks to OpenStack.
  if (own.status === 0 && own.stdout.includes('Swift version')) return { swift: (args) => ['swift', args] };
  const lacks = whyNotDebian() ?? (existsSync(debian) ? undefined : trySetUp());
  if (lacks) return { lacks: `Swift is not installed, ${lacks}` };
  const swift = (args) => inDebian(debian, 'swift', args);
  const tried = run(swift(['--version']));
  return tried.status === 0 ? { swift } : { lacks: `Swift in ${debian} does not run: ${tried.stderr}` };
}

/** Why Debian's Swift is not used here; undefined where it is. */
function whyNotDebian() {
  if (process.platform !== 'linux') return 'and only on Linux is it set up here';
  if (process.env.CI !== 'true' && process.env.NATIVE !== '1')
    return 'and setting it up (two minutes, 3.3 GB) was not asked for by NATIVE=1';
  if (process.getuid?.() !== 0) return 'and only root can set it up';
  return undefined;
}

/** What fails here, a full disk included, is no fault of the client's. */
function trySetUp() {
  try {
    return setUp();
  } catch (error) {
    return `and could not be set up: ${error.message}`;
  }
}

/** Why there is no Debian with Swift; undefined once there is. */
function setUp() {
  if (!isThere('debootstrap', '--version')) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run(['apt-get', ['update', '-qq']], { env });
    run(['apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'debootstrap']], { env });
    if (!isThere('debootstrap', '--version')) return 'nor is debootstrap, which would fetch it';
  }
  process.stdout.write(`setting up Swift in ${debian} for the tests of sdk-swift\n`);
  const partial = `${debian}.partial`;
  mkdirSync(dirname(debian), { recursive: true });
  rmSync(partial, { recursive: true, force: true });
  const fetched = run(['unshare', ['--mount', 'debootstrap', '--variant=minbase', 'trixie', partial]], {
    timeout: SET_UP_MS,
  });
  const install = 'env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends';
  const installed =
    fetched.status === 0
      ? run(inDebian(partial, install, ['swiftlang', 'libc6-dev', 'g++']), { timeout: SET_UP_MS })
      : fetched;
  if (installed.status !== 0)
    return `and could not be set up: ${`${installed.stdout}${installed.stderr}`.trim().split('\n').pop()}`;
  renameSync(partial, debian);
  return undefined;
}

/** `{passed, failed, skipped}`, all 0 where Swift is missing, which is said loudly. */
export function testSwift(args = []) {
  const { swift, lacks } = findSwift();
  if (lacks) {
    process.stdout.write(`\n*** NO SWIFT: the tests of sdk-swift are SKIPPED. ***\n*** ${lacks}. ***\n\n`);
    return { passed: 0, failed: 0, skipped: 0 };
  }
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const check = (name, command) => {
    const done = run(command);
    process.stdout.write(`${done.status === 0 ? '' : `${done.stdout}${done.stderr}`}`);
    process.stdout.write(`${done.status === 0 ? 'ok    ' : 'FAILED'} ${name}\n`);
    if (done.status === 0) counts.passed++;
    else counts.failed++;
    return done.status === 0;
  };
  const flags = ['--scratch-path', '.artifacts/swift', '-Xswiftc', '-warnings-as-errors'];
  if (run(swift(['format', '--version'])).status === 0) {
    const form = ['--strict', '--recursive', '--configuration', 'sdk-swift/.swift-format'];
    check('form of Swift', swift(['format', 'lint', ...form, 'sdk-swift', 'Package.swift']));
  }
  if (!check('build of Swift, without a warning', swift(['build', '--build-tests', ...flags]))) return counts;
  const [program, rest] = swift(['test', '--skip-build', ...flags, ...args]);
  const done = run(['npx', ['tsx', 'sdk/conformance/run-with.ts', program, ...rest]]);
  const output = `${done.stdout}${done.stderr}`;
  if (done.status !== 0) process.stdout.write(output);
  const [, all = 0, skipped = 0, failures = 0] =
    [...output.matchAll(/Executed (\d+) tests?, with (?:(\d+) tests? skipped and )?(\d+) failures?/g)].pop() ?? [];
  // A test fails once for each thing that is not as it should be.
  const failed = new Set([...output.matchAll(/^Test Case '([^']+)' failed/gm)].map(([, name]) => name)).size;
  counts.failed += failed;
  counts.skipped += Number(skipped);
  counts.passed += Number(all) - Number(skipped) - failed;
  if ((done.status !== 0 || Number(failures) > 0) && failed === 0) counts.failed++;
  return counts;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { passed, failed, skipped } = testSwift(process.argv.slice(2));
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}
