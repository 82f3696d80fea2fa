#!/usr/bin/env node
// The command line, in a file that is there before anything is built: npm links commands while it installs.
await import('../dist/cli.js');
