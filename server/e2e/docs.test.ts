// Documents that promise to be whole, and links that lead somewhere.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Every page of ours. */
const pages = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...['docs', 'deploy'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  ),
  ...['sdk', 'sdk-kotlin', 'sdk-swift'].map((folder) => join(folder, 'README.md')),
];

/** As GitHub names headings. */
const anchorsOf = (text: string): string[] =>
  [...text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/ /g, '-'),
  );

it('every link of a page leads to a file, and to a heading of it', () => {
  const broken: string[] = [];
  let held = 0;
  for (const page of pages) {
    const text = read(page).replace(/^(```|~~~)[\s\S]*?^\1/gm, '');
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?|mailto):/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? join(ROOT, page) : resolve(ROOT, dirname(page), path);
      held++;
      if (!existsSync(file) || relative(ROOT, file).startsWith('..')) broken.push(`${page}: ${target}`);
      else if (anchor !== undefined && file.endsWith('.md') && !anchorsOf(readFileSync(file, 'utf8')).includes(anchor))
        broken.push(`${page}: ${target} (no such heading)`);
    }
  }
  expect(broken).toEqual([]);
  expect(held).toBeGreaterThan(60);
});

it('the page on data protection says of every table what it holds', () => {
  const page = read('docs/data-protection.md');
  const named = new Set([...page.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name));
  const tables = [...read('server/schema.sql').matchAll(/^create table (\w+) \(/gm)].map(([, name = '']) => name);
  expect(tables.length).toBeGreaterThan(50);
  expect(tables.filter((table) => !named.has(table))).toEqual([]);
});

it('what the threat model calls held by tests is there', () => {
  const page = read('docs/threat-model.md');
  const files = [...page.matchAll(/`((?:e2e|http|exports)\/[\w./-]+)`/g)].map(([, file = '']) => file);
  expect(files.length).toBeGreaterThan(5);
  for (const file of files)
    expect(existsSync(join(ROOT, 'server', file.startsWith('e2e') ? file : `src/${file}`)), file).toBe(true);
});
