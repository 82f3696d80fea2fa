import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const sdk = (file: string): string => fileURLToPath(new URL(`./sdk/src/${file}`, import.meta.url));

/** The SDK that tests speak through is its source, so that nothing has to be built first. */
const resolve = {
  alias: [
    { find: /^@grandstand\/sdk\/server$/, replacement: sdk('server.ts') },
    { find: /^@grandstand\/sdk$/, replacement: sdk('index.ts') },
  ],
};

/** What must happen within a second has the machine to itself. */
const byTheWallClock = 'server/src/evaluation/clock.test.ts';

/** What changes a module of Node before the server loads has a process of its own. */
const changesModules = 'server/src/credentials/comparison.test.ts';

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        test: {
          name: 'server',
          include: ['server/src/**/*.test.ts'],
          exclude: [byTheWallClock, changesModules],
          execArgv: ['--throw-deprecation'], // what a library will drop is found here first, not in an operator's log
          isolate: false, // the server's modules keep no state, and loading them takes a second for each file
          globalSetup: ['server/src/testing/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        resolve,
        test: {
          name: 'server-modules',
          include: [changesModules],
          globalSetup: ['server/src/testing/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        resolve,
        test: {
          name: 'server-e2e',
          include: ['server/e2e/**/*.test.ts'],
          globalSetup: ['server/src/testing/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        test: {
          name: 'sdk',
          include: ['sdk/src/**/*.test.ts'],
          globalSetup: ['server/src/testing/global-setup.ts', 'sdk/src/testing/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        resolve,
        test: {
          name: 'console',
          include: ['console/tests/**/*.test.ts'],
          globalSetup: ['server/src/testing/global-setup.ts'],
          testTimeout: 90_000,
          hookTimeout: 120_000,
          // Pages are polled for as long as they are waited for: a second is too little on a loaded machine.
          expect: { poll: { timeout: 20_000 } },
        },
      },
      {
        resolve,
        test: {
          name: 'wall-clock',
          include: [byTheWallClock],
          globalSetup: ['server/src/testing/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
    maxWorkers: 2,
  },
});
