// The package as a stranger gets it: packed, unpacked into an empty project, imported in every way.

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const sdk = join(import.meta.dirname, '..');
const bin = join(sdk, '../node_modules/.bin');
const MAX_BYTES = 7500;

describe('the package', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'grandstand-consumer-'));
    const packed = execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
      cwd: sdk,
      encoding: 'utf8',
    }).trim();
    const home = join(folder, 'node_modules/@grandstand/sdk');
    mkdirSync(home, { recursive: true });
    execFileSync('tar', ['xzf', join(folder, packed.split('\n').at(-1) ?? ''), '-C', home, '--strip-components=1']);
    for (const name of ['react', '@types/react', 'csstype']) {
      mkdirSync(join(folder, 'node_modules', name, '..'), { recursive: true });
      symlinkSync(join(sdk, '../node_modules', name), join(folder, 'node_modules', name));
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (program: string, ...args: string[]): string => {
    try {
      return execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string }; // of a program that failed
      throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
    }
  };

  it('satisfies publint and are-the-types-wrong', () => {
    expect(run(join(bin, 'publint'), 'node_modules/@grandstand/sdk', '--strict')).toContain('All good');
    run(
      join(bin, 'attw'),
      '--pack',
      sdk,
      '--exclude-entrypoints',
      'grandstand.min.js',
      'package.json',
      '--format',
      'ascii',
    );
  });

  it('has no dependencies, holds nothing but what is documented, and its browser entry is small', async () => {
    const manifest = JSON.parse(readFileSync(join(sdk, 'package.json'), 'utf8')) as { dependencies?: object };
    expect(manifest.dependencies).toBeUndefined();
    const bytes = (text: string | Buffer): number => gzipSync(text, { level: 9 }).length;
    expect(bytes(readFileSync(join(sdk, 'dist/grandstand.min.js')))).toBeLessThanOrEqual(MAX_BYTES);
    const bundled = await build({
      stdin: { contents: "export * from '@grandstand/sdk'", resolveDir: folder },
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      logLevel: 'error',
    });
    expect(bytes(bundled.outputFiles[0]?.text ?? '')).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('holds its licence, and no link in it leads out of it', () => {
    const home = join(folder, 'node_modules/@grandstand/sdk');
    expect(readFileSync(join(home, 'LICENSE'), 'utf8')).toBe(readFileSync(join(sdk, '../LICENSE'), 'utf8'));
    const pages = readdirSync(home, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
    expect(pages.length).toBeGreaterThan(3);
    for (const page of pages) {
      for (const [, target = ''] of readFileSync(join(home, page), 'utf8').matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
        if (/^https?:/.test(target)) continue;
        const path = join(home, page, '..', target);
        expect(existsSync(path) && path.startsWith(home), `${page}: ${target}`).toBe(true);
      }
    }
  });

  it('loads as a module and by require, with every name of the documents', () => {
    const names = [
      'init',
      'createUserProfile',
      'getUserProfile',
      'updateUserProfile',
      'createClient',
      'track',
      'flush',
    ];
    const check = `for (const name of ${JSON.stringify(names)}) if (typeof sdk[name] !== 'function') throw new Error(name);
      if (typeof server.createAdminClient !== 'function' || typeof react.useProfile !== 'function') throw new Error('entries');
      server.signProfileToken({ clientId: 'abcd', clientSecret: 'x'.repeat(32), customProfileId: '1' }).then((token) => console.log(token.split('.').length));`;
    writeFileSync(
      join(folder, 'a.mjs'),
      `import * as sdk from '@grandstand/sdk'; import * as server from '@grandstand/sdk/server'; import * as react from '@grandstand/sdk/react'; ${check}`,
    );
    writeFileSync(
      join(folder, 'a.cjs'),
      `const sdk = require('@grandstand/sdk'); const server = require('@grandstand/sdk/server'); const react = require('@grandstand/sdk/react'); ${check}`,
    );
    for (const file of ['a.mjs', 'a.cjs']) expect(run(process.execPath, file)).toBe('3\n');
  });

  it('is what its reference documentation says', () => {
    run(process.execPath, join(sdk, '../scripts/sdk-reference.mjs'), '--check');
  });

  it('shares its errors between its entries', () => {
    const code =
      "const a = require('@grandstand/sdk'), b = require('@grandstand/sdk/server'); console.log(a.ApiError === b.ApiError)";
    expect(run(process.execPath, '-e', code)).toBe('true\n');
  });

  it('has types for a strict consumer in every module mode', () => {
    cpSync(join(import.meta.dirname, 'testing/consumer.ts.txt'), join(folder, 'consumer.ts'));
    cpSync(join(folder, 'consumer.ts'), join(folder, 'consumer.mts'));
    cpSync(join(folder, 'consumer.ts'), join(folder, 'consumer.cts'));
    const check = (file: string, mode: ts.CompilerOptions): string => {
      const options: ts.CompilerOptions = { ...STRICT, ...mode };
      const host = ts.createCompilerHost(options);
      host.getCurrentDirectory = () => folder;
      const read = host.getSourceFile.bind(host);
      host.getSourceFile = (name, ...rest) => {
        if (!/[/\\]lib\.[\w.]+\.d\.ts$/.test(name)) return read(name, ...rest);
        const known = libraries.get(name) ?? read(name, ...rest);
        libraries.set(name, known);
        return known;
      };
      const program = ts.createProgram([join(folder, file)], options, host);
      return ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), host);
    };
    const { NodeNext, ESNext, CommonJS } = ts.ModuleKind;
    expect(check('consumer.mts', { module: NodeNext, verbatimModuleSyntax: true, skipLibCheck: false })).toBe('');
    expect(check('consumer.cts', { module: NodeNext })).toBe('');
    expect(check('consumer.ts', { module: ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler })).toBe('');
    expect(
      check('consumer.ts', {
        module: CommonJS,
        moduleResolution: ts.ModuleResolutionKind.Node10,
        ignoreDeprecations: '6.0',
      }),
    ).toBe('');
  }, 180_000);
});

/** Parsed once for all module modes: they are the same in each. */
const libraries = new Map<string, ts.SourceFile | undefined>();

const STRICT: ts.CompilerOptions = {
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
  types: [],
};
