// Prints what CHANGELOG.md says of a version: `node scripts/release-notes.mjs 0.1.0`. A version that is not there, or is still called
// unreleased, ends with 1, so that nothing is published without its changes.

import { readFileSync } from 'node:fs';

const [version = ''] = process.argv.slice(2);
const changes = readFileSync(new URL('../CHANGELOG.md', import.meta.url), 'utf8');
const section = changes.split(/^## /m).find((text) => /^\S+?(?=[,\s])/.exec(text)?.[0] === version);
const [heading = '', ...lines] = (section ?? '').split('\n');
if (section === undefined || /unreleased/i.test(heading)) {
  process.stderr.write(
    section === undefined
      ? `CHANGELOG.md has no section "## ${version}".\n`
      : `CHANGELOG.md still calls ${version} unreleased: give it its date.\n`,
  );
  process.exitCode = 1;
} else process.stdout.write(`${lines.join('\n').trim()}\n`);
