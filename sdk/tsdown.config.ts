import { defineConfig } from 'tsdown';

const shared = { target: 'es2022', platform: 'neutral', treeshake: true, outDir: 'dist' } as const;

export default defineConfig([
  {
    ...shared,
    entry: { index: 'src/index.ts', node: 'src/node.ts', server: 'src/server.ts', react: 'src/react.ts' },
    format: ['esm', 'cjs'],
    dts: true,
    clean: true,
    deps: { neverBundle: ['react'] },
  },
  {
    ...shared,
    entry: { grandstand: 'src/index.ts' },
    format: 'iife',
    globalName: 'Grandstand',
    minify: true,
    dts: false,
    clean: false,
    outputOptions: { entryFileNames: '[name].min.js' },
  },
]);
