// Builds what is published. By the bundler's functions and not its command, which greets every reader with warnings.

import { build } from 'tsdown';

const shared = {
  target: 'es2022',
  platform: 'neutral',
  treeshake: true,
  outDir: 'dist',
  logLevel: 'error',
  config: false,
};

await build({
  ...shared,
  entry: {
    index: 'src/index.ts',
    node: 'src/node.ts',
    server: 'src/server.ts',
    react: 'src/react.ts',
    livelike: 'src/livelike.ts',
  },
  format: ['esm', 'cjs'],
  dts: true,
  clean: true,
  deps: { neverBundle: ['react'] },
});
await build({
  ...shared,
  entry: { grandstand: 'src/names.ts' },
  format: 'iife',
  globalName: 'Grandstand',
  minify: true,
  dts: false,
  clean: false,
  outputOptions: { entryFileNames: '[name].min.js' },
});
