import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** What SQL may say where. Each is a sentence of docs/architecture.md. */
function restrictSql() {
  const clock = {
    selector:
      'TemplateElement[value.raw=/(\\bnow\\(\\)|\\bcurrent_timestamp\\b|(clock|statement|transaction)_timestamp\\(\\))/i]',
    message: 'Business time is an argument, from the clock: SQL never asks for it.',
  };
  const membership = {
    selector: 'TemplateElement[value.raw=/\\b(insert into|update|delete from) (members|changes)\\b/i]',
    message: 'Only membership/ writes members and changes.',
  };
  const queue = {
    selector: 'TemplateElement[value.raw=/\\binsert into queue\\b/i]',
    message: 'enqueueRows of queue/queue.ts is the one statement that writes the queue.',
  };
  const environment = {
    selector: "MemberExpression[object.name='process'][property.name='env']",
    message: 'Only config.ts reads the environment.',
  };
  const files = ['server/src/**/*.ts'];
  const tests = ['**/*.test.ts', '**/testing/**', 'server/src/demo/**', 'server/src/**/testing.ts'];
  const rule = (...restricted) => ({ 'no-restricted-syntax': ['error', ...restricted] });
  return [
    { files, ignores: tests, rules: rule(clock, membership, queue, environment) },
    { files: ['server/src/membership/**/*.ts'], ignores: tests, rules: rule(clock, queue, environment) },
    // Leases, what gives way to others, and the order of receipt go by the database's own clock: nothing is evaluated at it.
    {
      files: [
        'server/src/{database,queue}/**/*.ts',

        'server/src/clock.ts',
        'server/src/activities/{activity-store,intake-statement}.ts',
      ],
      rules: rule(membership, environment),
    },
    { files: ['server/src/{config,main,cli,commands/*}.ts'], rules: rule(clock, membership, queue) },
  ];
}

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.artifacts/**', '**/coverage/**', '**/target/**', 'data/**'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  {
    files: ['{server,sdk/src,sdk/conformance,console,bench}/**/*.{ts,tsx}'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
    },
  },
  {
    // Also of those behind `void`: a rejection that nobody handles ends the process.
    files: ['server/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/testing/**'],
    rules: { '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }] },
  },
  ...restrictSql(),
  {
    files: ['server/src/**/*.ts'],
    ignores: ['server/src/http/server.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'request', property: 'ip', message: 'Use request.address: one spelling for each host.' },
      ],
    },
  },
  {
    rules: {
      '@typescript-eslint/no-unused-expressions': ['error', { allowShortCircuit: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off', // each earns a comment; typed arrays need them
      '@typescript-eslint/unified-signatures': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
    },
  },
  {
    files: ['**/*.{mjs,js}', 'bench/**', '**/*.test.ts'],
    languageOptions: {
      globals: {
        process: 'readonly',
        Buffer: 'readonly',
        URL: 'readonly',
        console: 'readonly',
        fetch: 'readonly',
        performance: 'readonly',
        setTimeout: 'readonly',
      },
    },
    rules: { 'no-console': 'off' },
  },
);
