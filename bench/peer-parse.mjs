// parse-server on the benchmark's PostgreSQL: what its manual shows under "Parse Server + Express", and its defaults.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.PEERS, 'package.json'));
process.chdir(process.env.PEERS); // where it makes its folder of logs, as soon as it is loaded
const express = require('express');
const { ParseServer } = require('parse-server');

const app = express();
const http = createServer(app).listen(0, '127.0.0.1');
await once(http, 'listening');
const origin = `http://127.0.0.1:${http.address().port}`;
const server = new ParseServer({
  databaseURI: process.env.PARSE_DATABASE,
  appId: 'bench',
  masterKey: 'bench-master',
  serverURL: `${origin}/parse`,
});
await server.start();
app.use('/parse', server.app);
console.log(`listening on ${origin}`);
process.on('SIGTERM', () => process.exit(0));
