// sdk/docs/reference.md from the doc comments and types of the SDK's entries. `--check` says whether it is up to date.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const output = join(root, 'sdk/docs/reference.md');

const ENTRIES = [
  ['@grandstand/sdk', 'sdk/src/index.ts'],
  ['@grandstand/sdk/server', 'sdk/src/server.ts'],
  ['@grandstand/sdk/react', 'sdk/src/react.ts'],
];
const FLAGS = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope;

const config = ts.getParsedCommandLineOfConfigFile(
  join(root, 'sdk/tsconfig.json'),
  {},
  { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} },
);
const program = ts.createProgram(
  ENTRIES.map(([, file]) => join(root, file)),
  config.options,
);
const checker = program.getTypeChecker();

/** Types as they are called, without where they come from. */
const plain = (text) => text.replace(/import\("[^"]*"\)\./g, '').replace(/\s+/g, ' ');
const prose = (symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();
const cell = (text) => text.replace(/\|/g, '\\|').replace(/\n+/g, ' ');
const typeOf = (symbol) => checker.getTypeOfSymbolAtLocation(symbol, symbol.valueDeclaration ?? symbol.declarations[0]);

function tags(symbol) {
  return symbol.getJsDocTags(checker).flatMap(({ name, text }) => {
    const words = ts.displayPartsToString(text).trim();
    if (name === 'throws') return [`*Fails with* ${words}.`];
    if (name === 'param')
      return [`\`${words.split(' ')[0]}\`: ${words.split(' ').slice(1).join(' ').replace(/^-\s*/, '')}.`];
    return [];
  });
}

function described(symbol) {
  return [prose(symbol), ...tags(symbol)].filter((text) => text !== '').join('\n\n');
}

function signatures(symbol, name = symbol.name) {
  return typeOf(symbol)
    .getCallSignatures()
    .map((signature) => plain(`${name}${checker.signatureToString(signature, undefined, FLAGS)}`));
}

const code = (lines) => ['```ts', ...lines, '```'].join('\n');

function functionSection(symbol) {
  // The one type that is made of its function: it stands by its name below.
  const lines = signatures(symbol).map((line) =>
    symbol.name === 'createAdminClient' ? line.replace(/: \{ clientId.*$/, ': AdminClient') : line,
  );
  return [`#### ${symbol.name}`, code(lines), described(symbol)];
}

/** Calls of an object, and of the objects in it. */
function methodSections(type, prefix) {
  return type.getProperties().flatMap((property) => {
    // The compiler numbers well-known symbols; the numbers change with every edit.
    const name = `${prefix}${property.name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]')}`;
    const own = typeOf(property);
    if (own.getCallSignatures().length > 0)
      return [
        `- **\`${name}\`** ${described(property).replace(/\n+/g, ' ')}\n\n  ${code(signatures(property, name)).replace(/\n/g, '\n  ')}`,
      ];
    if (isNamespace(own)) return methodSections(own, `${name}.`);
    return [
      `- **\`${name}\`**: \`${plain(checker.typeToString(own, undefined, FLAGS))}\` ${described(property).replace(/\n+/g, ' ')}`,
    ];
  });
}

/** An object that only holds calls, written in place. */
const isNamespace = (type) =>
  ((type.objectFlags ?? 0) & ts.ObjectFlags.Anonymous) !== 0 &&
  type.getCallSignatures().length === 0 &&
  type.getProperties().length > 0;

const isMethodic = (type) => type.getProperties().some((property) => (property.flags & ts.SymbolFlags.Method) !== 0);

function typeSection(symbol) {
  const type = checker.getDeclaredTypeOfSymbol(symbol);
  const head = [`#### ${symbol.name}`, described(symbol)];
  const declaration = symbol.declarations.find(ts.isTypeAliasDeclaration) ?? symbol.declarations[0]; // a name of both
  if (symbol.name === 'AdminClient' || (!ts.isTypeAliasDeclaration(declaration) && isMethodic(type)))
    return [...head, methodSections(type, '').join('\n')];
  if (ts.isTypeAliasDeclaration(declaration))
    return [...head, code([plain(declaration.getText().replace(/^export /, ''))])];
  const rows = type.getProperties().map((property) => {
    const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0;
    const text = plain(checker.typeToString(typeOf(property), undefined, FLAGS)).replace(/ \| undefined$/, '');
    return `| \`${property.name}${isOptional ? '?' : ''}\` | \`${cell(text)}\` | ${cell(described(property))} |`;
  });
  return rows.length === 0 ? head : [...head, ['| field | type | |', '|---|---|---|', ...rows].join('\n')];
}

function classSection(symbol) {
  const type = checker.getDeclaredTypeOfSymbol(symbol);
  const inherited = new Set(['name', 'message', 'stack', 'cause']);
  const base = ts.isClassDeclaration(symbol.declarations[0])
    ? (symbol.declarations[0].heritageClauses?.[0]?.types[0]?.getText() ?? '')
    : '';
  const own = type.getProperties().filter((property) => !inherited.has(property.name) && property.parent === symbol);
  const rows = own.map(
    (property) =>
      `| \`${property.name}\` | \`${cell(plain(checker.typeToString(typeOf(property), undefined, FLAGS)))}\` | ${cell(described(property))} |`,
  );
  return [
    `#### ${symbol.name}`,
    `${described(symbol)} Extends \`${base}\`.`,
    ...(rows.length > 0 ? [['| field | type | |', '|---|---|---|', ...rows].join('\n')] : []),
  ];
}

function moduleText(file) {
  const text = file.getFullText();
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? '';
  return comment
    .replace(/^ ?\* ?/gm, '')
    .replace(/@packageDocumentation/, '')
    .trim();
}

const seen = new Set();

function entrySection([name, path]) {
  const file = program.getSourceFile(join(root, path));
  const symbols = checker
    .getExportsOfModule(checker.getSymbolAtLocation(file))
    .map((symbol) => ((symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol))
    .filter((symbol) => !seen.has(symbol) && seen.add(symbol))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const of = (flag) => symbols.filter((symbol) => (symbol.flags & flag) !== 0);
  const group = (title, list, section) => (list.length === 0 ? [] : [`### ${title}`, ...list.flatMap(section)]);
  return [
    `## ${name}`,
    moduleText(file),
    ...group('Functions', of(ts.SymbolFlags.Function), functionSection),
    ...group('Errors', of(ts.SymbolFlags.Class), classSection),
    ...group('Types', of(ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias), typeSection),
  ];
}

const text = `${[
  '# SDK reference',
  '<!-- Generated by scripts/sdk-reference.mjs from the doc comments. Do not edit. -->',
  ...ENTRIES.flatMap(entrySection),
]
  .filter((part) => part !== '')
  .join('\n\n')}\n`;

if (process.argv.includes('--check')) {
  if (!existsSync(output) || readFileSync(output, 'utf8') !== text) {
    process.stderr.write(
      'sdk/docs/reference.md is not what the doc comments say: run `node scripts/sdk-reference.mjs`.\n',
    );
    process.exitCode = 1;
  }
} else {
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, text);
}
