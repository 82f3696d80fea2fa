// No cycle between the server’s folders: a reader who follows the arrows down never comes back. Types count, tests do not.

export default {
  forbidden: [
    {
      name: 'no-cycle-of-folders',
      comment: 'Move what ends the cycle to the folder that owns it, or hand it in from app.ts.',
      severity: 'error',
      scope: 'folder',
      from: { path: '^server/src/[^/]+$' },
      to: { path: '^server/src/[^/]+$', circular: true, via: { path: '^server/src/[^/]+$' } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    exclude: { path: '(^|/)(dist|testing)/|\\.test\\.ts$' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs', '.json'] },
  },
};
