// parse-server 8 as the peer of bench/http.ts: installed into bench/.peers on demand, a database of its own on the same
// PostgreSQL, anonymous fans signed up with their session tokens.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { root, startProcess, type Load, type Process } from './lib.ts';

const HEADERS = { 'x-parse-application-id': 'bench', 'content-type': 'application/json' };
const AT_ONCE = 16;

function install(): string {
  const folder = join(root, 'bench/.peers/parse-server');
  if (!existsSync(join(folder, 'node_modules/parse-server'))) {
    const packages = ['parse-server@8', 'express@5'];
    const options = ['--no-save', '--no-package-lock', '--ignore-scripts', '--prefix', folder];
    execFileSync('npm', ['install', ...options, ...packages], { stdio: 'inherit' });
  }
  return folder;
}

/** `databaseUrl` by TCP: parse-server does not know unix sockets. */
export async function startParse(databaseUrl: string): Promise<Process> {
  const folder = install();
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('create database parse');
  await client.end();
  const url = new URL(databaseUrl);
  url.pathname = '/parse';
  url.protocol = 'postgres:';
  return startProcess([join(root, 'bench/peer-parse.mjs')], {
    NODE_ENV: 'production',
    PEERS: folder,
    PARSE_DATABASE: url.href,
  });
}

/** Each sign-up needs an id of its own: the load generator puts one in place of [<id>]. */
export const parseCreate = (parse: Process): Load => ({
  url: `${parse.url}/parse/users`,
  method: 'POST',
  headers: HEADERS,
  body: '{"authData":{"anonymous":{"id":"[<id>]"}}}',
});

/** So many fans, each with its own session, who read themselves. */
export async function parseRead(parse: Process, sessions: number): Promise<Load> {
  const tokens: string[] = [];
  const signUp = async (id: string): Promise<void> => {
    const body = JSON.stringify({ authData: { anonymous: { id } } });
    const response = await fetch(`${parse.url}/parse/users`, { method: 'POST', headers: HEADERS, body });
    tokens.push(((await response.json()) as { sessionToken: string }).sessionToken);
  };
  while (tokens.length < sessions) {
    const missing = Math.min(AT_ONCE, sessions - tokens.length);
    await Promise.all(Array.from({ length: missing }, (_, i) => signUp(`${sessions}-${tokens.length}-${i}`)));
  }
  return {
    url: parse.url,
    requests: tokens.map((token) => ({
      path: '/parse/users/me',
      headers: { ...HEADERS, 'x-parse-session-token': token },
    })),
  };
}
