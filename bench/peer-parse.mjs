// parse-server on the benchmark's PostgreSQL, as its manual sets it up.

import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.PEERS, 'package.json'));
const express = require('express');
const { ParseServer } = require('parse-server');

process.chdir(process.env.PEERS); // it writes a folder of logs whatever it is told
const app = express();
const server = new ParseServer({
  databaseURI: process.env.PARSE_DATABASE,
  appId: 'bench',
  masterKey: 'bench-master',
  serverURL: 'http://127.0.0.1:1/parse',
  allowClientClassCreation: false,
  logLevel: 'error',
  logsFolder: null,
  silent: true,
  enableAnonymousUsers: true,
  encodeParseObjectInCloudFunction: true,
});
await server.start();
app.use('/parse', server.app);
const http = app.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${http.address().port}`));
process.on('SIGTERM', () => process.exit(0));
