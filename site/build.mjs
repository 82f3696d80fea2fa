// Builds the site into site/dist: lays the pages down in site/.pages with links that lead where they stand there, lets VitePress make
// HTML of them, takes scripts out of the pages, and compresses. What a page links to and is no page comes along as a file.
// `--base /docs/0.1/ --out FOLDER` makes the same for another address: a version that is kept beside newer ones.

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brotliCompressSync, constants } from 'node:zlib';
import {
  addressOf,
  CONTENTS,
  pageOf,
  placeOf,
  read,
  readContents,
  readDecisions,
  resolveLink,
  ROOT,
  VERSION,
} from './contents.mjs';

const SITE = dirname(fileURLToPath(import.meta.url));
const PAGES = join(SITE, '.pages');
const { values: options } = parseArgs({
  options: { base: { type: 'string', default: '/docs/' }, out: { type: 'string', default: join(SITE, 'dist') } },
});
const OUT = resolve(options.out);
process.env.GRANDSTAND_DOCS_BASE = options.base;
process.env.GRANDSTAND_DOCS_OUT = OUT;

const sections = readContents();
const listed = sections.flatMap(({ pages }) => pages.map(({ path }) => pageOf(path)));
const decisions = readDecisions();
const pages = new Set([CONTENTS, ...listed, ...decisions.map(({ path }) => path)]);
const files = new Set();

function writePage(path, text) {
  const place = join(PAGES, placeOf(path));
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, text);
}

/** The text without comments and with the site's links; code stays as it is. */
function moved(path, text) {
  return text
    .split(/(^ *(?:```|~~~)[\s\S]*?^ *(?:```|~~~)$)/m)
    .map((part, index) => (index % 2 === 1 ? part : movedProse(path, part)))
    .join('');
}

function movedProse(path, text) {
  return text.replace(/<!--[\s\S]*?-->\n?/g, '').replace(/\]\(([^)\s]+)\)/g, (whole, target) => {
    const [to = '', anchor] = target.split('#');
    if (to === '' || /^[a-z]+:/.test(to)) return whole;
    const found = pageOf(resolveLink(path, to));
    const hash = anchor === undefined ? '' : `#${anchor}`;
    if (pages.has(found)) return `](${addressOf(found)}${hash})`;
    if (!existsSync(join(ROOT, found)) || !statSync(join(ROOT, found)).isFile())
      throw new Error(`${path}: ${target} is neither a page of ${CONTENTS} nor a file`);
    files.add(found);
    return `](${options.base.slice(0, -1)}${fileAddress(found)}){target="_self"}`;
  });
}

/** A dot at the beginning would hide it. */
const fileAddress = (path) => `/files/${path.replace(/(^|\/)\./g, '$1dot')}`;

function frontPage() {
  const [, lead] = /^# .+\n\n([\s\S]+?)\n\n/.exec(read(CONTENTS));
  const card = ({ title, path, about }) => `  - [${title}](${addressOf(path)}) ${about}`;
  const blocks = sections.map(({ title, pages }) => `- ## ${title}\n\n${pages.map(card).join('\n')}`);
  return `---\nlayout: home\nhero:\n  name: Grandstand\n  tagline: ${JSON.stringify(lead.replaceAll('\n', ' '))}\n  actions:\n    - { theme: brand, text: 'Tutorial: 15 minutes', link: /tutorial }\n    - { theme: alt, text: Quick start, link: /start }\n---\n\n${blocks.join('\n\n')}\n`;
}

function layPages() {
  rmSync(PAGES, { recursive: true, force: true });
  writePage(CONTENTS, frontPage());
  for (const path of pages)
    if (path !== CONTENTS && path !== 'docs/decisions/README.md') writePage(path, moved(path, read(path)));
  const rows = decisions.map(
    ({ title, path }) => `- [${title.replace(/^\d+\. /, (number) => number.replace('.', '\\.'))}](${addressOf(path)})`,
  );
  writePage(
    'docs/decisions/README.md',
    `# Decisions\n\nWhy it is as it is: each with what was tried and what follows.\n\n${rows.join('\n')}\n`,
  );
  cpSync(join(ROOT, 'console/public/favicon.svg'), join(PAGES, 'public/favicon.svg'));
  for (const path of files) cpSync(join(ROOT, path), join(PAGES, 'public', fileAddress(path)));
}

/** Scripts that stand in a page become files: the content security policy allows no others. */
function takeScriptsOut(html) {
  return html.replace(/<script id="[\w-]+">([\s\S]*?)<\/script>/g, (_, code) => {
    const name = `assets/${createHash('sha256').update(code).digest('hex').slice(0, 8)}.js`;
    writeFileSync(join(OUT, name), code);
    return `<script src="${options.base}${name}"></script>`;
  });
}

function finish() {
  const names = readdirSync(OUT, { recursive: true, encoding: 'utf8' });
  for (const name of names.filter((name) => name.endsWith('.html'))) {
    const html = takeScriptsOut(readFileSync(join(OUT, name), 'utf8'));
    if (/<script(?![^>]* src=)[^>]*>/.test(html)) throw new Error(`${name} holds a script`);
    writeFileSync(join(OUT, name), html);
  }
  rmSync(join(OUT, 'hashmap.json'), { force: true });
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
  for (const name of readdirSync(OUT, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(html|js|css)$/.test(name)) continue;
    const bytes = readFileSync(join(OUT, name));
    writeFileSync(join(OUT, `${name}.br`), brotliCompressSync(bytes, quality));
  }
  writeFileSync(join(OUT, 'version.txt'), `${VERSION}\n`); // the last: what lacks it was not built to its end
}

layPages();
const { build } = await import('vitepress');
await build(SITE);
finish();
