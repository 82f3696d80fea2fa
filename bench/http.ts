// Reading and making profiles over HTTP, against bare routes that do the same statements, and against parse-server 8 on
// the same PostgreSQL (`npx tsx bench/http.ts --peers` installs it into bench/.peers first).
// Prints requests a second and the median of the ratios of paired runs. The load generator shares the machine's cores and,
// at our rates, takes more of them than at the peer's; so beside that stands what a request costs: milliseconds of CPU of the
// server process and of PostgreSQL together, over a fixed number of requests.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbedded } from '../server/src/database/embedded.ts';
import {
  CLIENT_ID,
  cpuMilliseconds,
  load,
  paired,
  report,
  root,
  rounded,
  startGrandstand,
  startProcess,
  temporaryFolder,
  type Process,
} from './lib.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 5);
const PROFILES = 500;

interface Made {
  id: string;
  access_token: string;
}

async function makeProfiles(server: Process): Promise<Made[]> {
  const made: Made[] = [];
  for (let i = 0; i < PROFILES; i++) {
    const response = await fetch(`${server.url}/api/v1/applications/${CLIENT_ID}/profile/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ attributes: [{ key: 'team', value: `team ${i % 20}` }] }),
    });
    made.push((await response.json()) as Made);
  }
  return made;
}

const tokenId = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }).jti;

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? NaN) / 1024;
}

/** The postmaster of the embedded database in this folder. */
async function postmasterOf(folder: string): Promise<number> {
  const file = await readFile(join(folder, 'postgres/postmaster.pid'), 'utf8');
  return Number(file.split('\n', 1)[0]);
}

/** parse-server does not know unix sockets; the embedded database listens on one. */
async function bridgeToSocket(databaseUrl: string): Promise<{ url(database: string): string; close(): void }> {
  const { user, password, host, port } = new pg.Client({ connectionString: databaseUrl });
  const sockets = new Set<Socket>();
  const bridge = createServer((socket) => {
    const target = host.startsWith('/') ? connect(join(host, `.s.PGSQL.${port}`)) : connect(port, host);
    for (const end of [socket, target]) {
      sockets.add(end);
      end.on('error', () => end.destroy());
      end.on('close', () => sockets.delete(end));
    }
    socket.pipe(target).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(bridge, 'listening');
  const { port: local } = bridge.address() as AddressInfo; // it listens on TCP
  return {
    url: (database) => `postgres://${user ?? ''}:${String(password)}@127.0.0.1:${local}/${database}`,
    close() {
      bridge.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function installPeers(): string {
  const folder = join(root, 'bench/.peers/parse-server');
  if (!existsSync(join(folder, 'node_modules/parse-server'))) {
    execFileSync(
      'npm',
      [
        'install',
        '--no-save',
        '--no-package-lock',
        '--ignore-scripts',
        '--prefix',
        folder,
        'parse-server@8',
        'express@4',
      ],
      { stdio: 'inherit' },
    );
  }
  return folder;
}

async function main(): Promise<void> {
  const folder = await temporaryFolder();
  const database = await startEmbedded({ dataDir: folder.path });
  const server = await startGrandstand({ DATABASE_URL: database.url, ROLE: 'api' });
  const idle = await residentMegabytes(server.pid);
  const bare = await startProcess([join(root, 'bench/bare-profile.mjs')], { DATABASE_URL: database.url });
  const rows: Parameters<typeof report>[1] = [
    ['memory of the idle API process', `${rounded(idle)} MB`, '', 'under 150 MB'],
  ];
  try {
    const made = await makeProfiles(server);
    const own = {
      url: server.url,
      requests: made.map((profile) => ({
        path: `/api/v1/applications/${CLIENT_ID}/profile/`,
        headers: { authorization: `Bearer ${profile.access_token}` },
      })),
    };
    const bareRead = {
      url: bare.url,
      requests: made.map((profile) => ({ path: `/profile/${profile.id}/${tokenId(profile.access_token)}/` })),
    };
    const create = { url: `${server.url}/api/v1/applications/${CLIENT_ID}/profile/`, method: 'POST' as const };
    const bareCreate = { url: `${bare.url}/profile/`, method: 'POST' as const };
    const speed = (target: Parameters<typeof load>[0]) => async () => {
      const figures = await load(target);
      // The last requests of a run may be cut off on a busy machine; more than that would be a wrong figure.
      if (figures.errors > 32) throw new Error(`${figures.errors} requests to ${target.url} failed`);
      return figures.perSecond;
    };
    for (const target of [own, bareRead, create, bareCreate]) await load(target, { seconds: 2 });

    const postmaster = await postmasterOf(folder.path);
    const cost = (target: Parameters<typeof load>[0], pid: number, requests: number) => async (): Promise<number> => {
      await load(target, { requests });
      const before = await cpuMilliseconds(pid, postmaster);
      const { errors } = await load(target, { requests });
      if (errors > 0) throw new Error(`${errors} requests to ${target.url} failed`);
      return ((await cpuMilliseconds(pid, postmaster)) - before) / requests;
    };
    const compareCost = async (
      what: string,
      own: () => Promise<number>,
      other: () => Promise<number>,
      aim: string,
    ): Promise<void> => {
      const { a, b, ratio } = await paired(3, own, other);
      rows.push([`… ${what}`, `${a.toFixed(3)} / ${b.toFixed(3)} ms`, 1 / ratio, aim]);
    };

    const reads = await paired(ROUNDS, speed(own), speed(bareRead));
    rows.push([
      'GET profile / a bare route with the same SELECT',
      `${rounded(reads.a)} / ${rounded(reads.b)} a second`,
      reads.ratio,
      'at least 0.7',
    ]);
    await compareCost('CPU', cost(own, server.pid, 5000), cost(bareRead, bare.pid, 5000), 'for comparison');
    const creates = await paired(ROUNDS, speed(create), speed(bareCreate));
    rows.push([
      'POST profile / a bare route with the same INSERTs',
      `${rounded(creates.a)} / ${rounded(creates.b)} a second`,
      creates.ratio,
      'at least 0.7',
    ]);

    await compareCost('CPU', cost(create, server.pid, 3000), cost(bareCreate, bare.pid, 3000), 'for comparison');

    if (process.argv.includes('--peers')) {
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      await client.query('create database parse');
      await client.end();
      const bridge = await bridgeToSocket(database.url);
      const parse = await startProcess([join(root, 'bench/peer-parse.mjs')], {
        PEERS: installPeers(),
        PARSE_DATABASE: bridge.url('parse'),
      });
      try {
        const headers = { 'x-parse-application-id': 'bench', 'content-type': 'application/json' };
        const session = (await (
          await fetch(`${parse.url}/parse/users`, {
            method: 'POST',
            headers,
            body: JSON.stringify({ authData: { anonymous: { id: 'first' } } }),
          })
        ).json()) as { sessionToken: string };
        const parseRead = {
          url: `${parse.url}/parse/users/me`,
          headers: { ...headers, 'x-parse-session-token': session.sessionToken },
        };
        // Each anonymous sign-up needs its own id: autocannon puts one in place of [<id>].
        const parseCreate = {
          url: `${parse.url}/parse/users`,
          method: 'POST' as const,
          headers,
          body: '{"authData":{"anonymous":{"id":"[<id>]"}}}',
        };
        const peerReads = await paired(3, speed(own), speed(parseRead));
        rows.push([
          'GET profile / parse-server users/me',
          `${rounded(peerReads.a)} / ${rounded(peerReads.b)} a second`,
          peerReads.ratio,
          '10 or more',
        ]);
        await compareCost('CPU', cost(own, server.pid, 5000), cost(parseRead, parse.pid, 1000), '10 or more');
        const peerCreates = await paired(3, speed(create), speed(parseCreate));
        rows.push([
          'POST profile / parse-server anonymous sign-up',
          `${rounded(peerCreates.a)} / ${rounded(peerCreates.b)} a second`,
          peerCreates.ratio,
          '10 or more',
        ]);
        await compareCost('CPU', cost(create, server.pid, 3000), cost(parseCreate, parse.pid, 500), '10 or more');
      } finally {
        await parse.stop();
        bridge.close();
      }
    }
    rows.push([
      'memory of the API process after the load',
      `${rounded(await residentMegabytes(server.pid))} MB`,
      '',
      '',
    ]);
    report('HTTP, 32 connections', rows);
  } finally {
    await bare.stop();
    await server.stop();
    await database.stop();
    await folder.remove();
  }
}

await main();
