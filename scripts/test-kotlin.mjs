// The tests of sdk-kotlin/, with Maven, against a real server: `node scripts/test-kotlin.mjs [-Dtest=…]`.
// `npm test` runs them where a JDK and Maven are.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const home = join(root, 'sdk-kotlin');
const JDK = 17;

/** Why they cannot run here, undefined where they can. */
function missing() {
  const java = spawnSync('javac', ['-version'], { encoding: 'utf8' });
  const version = Number(/javac (\d+)/.exec(`${java.stdout}${java.stderr}`)?.[1]);
  if (!(version >= JDK)) return `JDK ${JDK} or newer`;
  if (spawnSync('mvn', ['--version']).status !== 0) return 'Maven';
  return undefined;
}

const modules = ['client', 'java', 'livelike', 'samples'];
const folders = modules.map((name) => join(home, name, 'target', 'surefire-reports'));
/** Maven leaves classes there whose source is gone, and packs them. */
const compiled = modules.flatMap((name) => ['classes', 'test-classes'].map((kind) => join(home, name, 'target', kind)));

function readReports() {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const folder of folders.filter((path) => existsSync(path)))
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.xml'))) {
      const suite = /<testsuite\b[^>]*>/.exec(readFileSync(join(folder, file), 'utf8'))?.[0] ?? '';
      const read = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
      const failed = read('failures') + read('errors');
      counts.failed += failed;
      counts.skipped += read('skipped');
      counts.passed += read('tests') - failed - read('skipped');
    }
  return counts;
}

/** `{passed, failed, skipped}`, all 0 where the tools are missing, which is said loudly. */
export function testKotlin(args = []) {
  const lacks = missing();
  if (lacks) {
    process.stdout.write(`\n*** The tests of sdk-kotlin are SKIPPED: there is no ${lacks} here. ***\n\n`);
    return { passed: 0, failed: 0, skipped: 0 };
  }
  for (const folder of [...folders, ...compiled]) rmSync(folder, { recursive: true, force: true });
  const maven = (...more) =>
    spawnSync(
      'npx',
      ['tsx', 'sdk/conformance/run-with.ts', 'mvn', '-B', '-q', '-f', home, ...more, 'verify', ...args],
      { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
    );
  // Nothing is asked of Maven Central where everything is here already.
  let done = maven('-o');
  if (done.status !== 0 && /offline mode|has not been downloaded/i.test(done.stdout)) done = maven();
  if (done.status !== 0) process.stdout.write(`${done.stdout}${done.stderr}`);
  const counts = readReports();
  if (done.status !== 0 && counts.failed === 0) counts.failed++; // what does not compile runs no test
  return counts;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { passed, failed, skipped } = testKotlin(process.argv.slice(2));
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}
