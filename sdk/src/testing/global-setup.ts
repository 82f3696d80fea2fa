// Pages and consumers load what is published, so that is built first if its sources are newer.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

function newest(path: string): number {
  if (!existsSync(path)) return 0;
  const stats = statSync(path);
  if (!stats.isDirectory()) return path.endsWith('.test.ts') ? 0 : stats.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

export default function setup(): void {
  const sources = ['src', 'package.json', 'build.mjs'].map((name) => newest(join(root, name)));
  if (newest(join(root, 'dist')) < Math.max(...sources)) {
    execFileSync('npm', ['run', '--silent', 'build'], {
      cwd: root,
      stdio: 'pipe',
      shell: process.platform === 'win32',
    });
  }
}
