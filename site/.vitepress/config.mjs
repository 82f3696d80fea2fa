// How VitePress makes the site of the pages that build.mjs laid down. Nothing in it asks another server, and no script stands inside
// of a page: the server's content security policy allows neither.

import { defineConfig } from 'vitepress';
import { addressOf, readContents, readDecisions, slugify, VERSION } from '../contents.mjs';

const base = process.env.GRANDSTAND_DOCS_BASE ?? '/docs/';
/** Not of the site: the server makes it of its operations. */
const REFERENCE = { text: 'API reference', link: '/api', target: '_self' };

function sideBar() {
  const sections = readContents().map(({ title, pages }) => ({
    text: title,
    items: pages.flatMap((page) => [
      { text: page.title, link: addressOf(page.path) },
      ...(page.path === 'docs/conventions.md' ? [REFERENCE] : []),
    ]),
  }));
  // Decisions come last and folded: many, and for those who change the program.
  sections.at(-1).items = sections.at(-1).items.map((item) =>
    item.link === '/decisions/'
      ? {
          ...item,
          collapsed: true,
          items: readDecisions().map(({ title, path }) => ({ text: title, link: addressOf(path) })),
        }
      : item,
  );
  return sections;
}

export default defineConfig({
  base,
  srcDir: '.pages',
  outDir: process.env.GRANDSTAND_DOCS_OUT ?? 'dist',
  lang: 'en',
  title: 'Grandstand',
  description: 'Profiles and audiences for live fan engagement, on your own server',
  cleanUrls: true,
  ignoreDeadLinks: 'localhostLinks', // of a server that the reader starts
  metaChunk: true,
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: `${base}favicon.svg` }]],
  markdown: {
    html: false,
    anchor: { slugify },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-dimmed' },
    config: (md) => {
      // A page's words are no template.
      const text = md.renderer.rules.text;
      md.renderer.rules.text = (...args) => text(...args).replaceAll('{{', '&#123;&#123;');
    },
  },
  themeConfig: {
    logo: '/favicon.svg',
    siteTitle: 'Grandstand',
    nav: [
      { text: 'Tutorial', link: '/tutorial' },
      { ...REFERENCE, noIcon: true },
      {
        text: VERSION,
        items: [
          { text: 'What changed', link: '/changelog' },
          { text: 'Upgrading', link: '/upgrading' },
        ],
      },
    ],
    sidebar: sideBar(),
    outline: { level: [2, 3] },
    search: { provider: 'local', options: { miniSearch: { searchOptions: { fuzzy: 0.15 } } } },
    externalLinkIcon: true,
  },
});
