// What the site consists of. docs/README.md is its table of contents: each heading a section of the side bar, each list item with
// a link a page, in this order. So a git host and the site show the same pages in the same order.

import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
export const CONTENTS = 'docs/README.md';
const DECISIONS = 'docs/decisions';

const read = (path) => readFileSync(join(ROOT, path), 'utf8');

/** `[text](target): more` of a list item. */
const ITEM = /^- \[([^\]]+)\]\(([^)\s]+)\)(?:: (.*))?$/;

/** `[{ title, pages: [{ title, path, about }] }]`; `path` is that of a file in the repository. */
export function readContents() {
  const sections = [];
  for (const line of read(CONTENTS).split('\n')) {
    const heading = /^## (.+)$/.exec(line)?.[1];
    if (heading !== undefined) sections.push({ title: heading, pages: [] });
    const [, title, target, about = ''] = ITEM.exec(line) ?? [];
    if (title !== undefined) sections.at(-1).pages.push({ title, path: resolveLink(CONTENTS, target), about });
  }
  return sections;
}

/** Of a folder of numbered files, as side bar and index need them. */
export function readDecisions() {
  return readdirSync(join(ROOT, DECISIONS))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => ({ title: titleOf(read(`${DECISIONS}/${name}`)), path: `${DECISIONS}/${name}` }));
}

export const titleOf = (text) => /^# (.+)$/m.exec(text)?.[1] ?? '';

/** A link of a page as a path of the repository. */
export function resolveLink(page, target) {
  return relative(ROOT, join(ROOT, dirname(page), target)).replaceAll('\\', '/');
}

/** Where a file of the repository stands in the site: `docs/rules.md` is `rules.md`, `sdk/docs/logins.md` is `sdk/logins.md`. */
export function placeOf(path) {
  if (path === CONTENTS) return 'index.md';
  if (path === 'README.md') return 'start.md';
  const place = path.replace(/(^|\/)docs\//, '$1').replace(/README\.md$/, 'index.md');
  return place.includes('/') ? place : place.toLowerCase();
}

/** A folder is read as its README, or as the index that the site makes for the decisions. */
export function pageOf(path) {
  const folder = path.replace(/\/$/, '');
  if (folder === DECISIONS) return `${DECISIONS}/README.md`;
  const isFolder = existsSync(join(ROOT, folder)) && statSync(join(ROOT, folder)).isDirectory();
  return isFolder ? `${folder}/README.md` : path;
}

/** `/sdk/logins` for `sdk/docs/logins.md`. */
export const addressOf = (path) => `/${placeOf(pageOf(path)).replace(/(^|(?<=\/))index\.md$|\.md$/, '')}`;

/** As git hosts name headings, so that a link to one leads there in both. */
export const slugify = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/ /g, '-');

export const VERSION = JSON.parse(read('package.json')).version;
export { read };
