// Reading and making profiles over HTTP, against bare routes that do the same statements, and against parse-server 8 on
// the same PostgreSQL (`npx tsx bench/http.ts --peers` installs it into bench/.peers first; everybody then reaches PostgreSQL
// by TCP). Prints requests a second and the median of the ratios of runs in turn. The load generator shares the machine's
// cores and, at our rates, takes more of them than at the peer's; so beside that stands what a request costs: milliseconds of
// CPU of the server process and of PostgreSQL together, over a fixed number of requests.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startEmbedded } from '../server/src/database/embedded.ts';
import { parseCreate, parseRead, startParse } from './http-parse.ts';
import {
  CLIENT_ID,
  cpuMilliseconds,
  inTurns,
  load,
  median,
  medianRatio,
  report,
  root,
  rounded,
  startGrandstand,
  startProcess,
  temporaryFolder,
  type Load,
  type Process,
} from './lib.ts';

const WITH_PEERS = process.argv.includes('--peers');
const ROUNDS = Number(process.env['ROUNDS'] ?? (WITH_PEERS ? 3 : 5));
const PROFILES = 500;
/** Each read once in more than the five seconds for which parse-server's cache keeps a session. */
const RETURNING = 8000;
const AIM_BARE = 'at least 0.7';
const AIM_PARSE = '10 or more';

type Rows = Parameters<typeof report>[1];

/** One of those that are compared: who does the work, how it is asked for, and how many requests its CPU is taken of. */
interface Side {
  name: string;
  process: Process;
  load: Load;
  requests: number;
}

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

const speed = (side: Side) => async (): Promise<number> => {
  const figures = await load(side.load);
  // The last requests of a run may be cut off on a busy machine; more than that would be a wrong figure.
  if (figures.errors > 32) throw new Error(`${figures.errors} requests to ${side.name} failed`);
  return figures.perSecond;
};

const cost = (side: Side, postmaster: number) => async (): Promise<number> => {
  await load(side.load, { requests: side.requests });
  const before = await cpuMilliseconds(side.process.pid, postmaster);
  const { errors } = await load(side.load, { requests: side.requests });
  if (errors > 0) throw new Error(`${errors} requests to ${side.name} failed`);
  return ((await cpuMilliseconds(side.process.pid, postmaster)) - before) / side.requests;
};

/** Measures all sides in turn, and compares them as the list says, by their places. */
async function compare(
  sides: Side[],
  comparisons: [place: number, other: number, aim: string][],
  postmaster: number,
): Promise<Rows> {
  for (const side of sides) await load(side.load, { seconds: 2 });
  const speeds = await inTurns(
    ROUNDS,
    sides.map((side) => speed(side)),
  );
  const costs = await inTurns(
    3,
    sides.map((side) => cost(side, postmaster)),
  );
  return comparisons.flatMap(([a, b, aim]): Rows => {
    const [perSecond = [], otherPerSecond = []] = [speeds[a], speeds[b]];
    const [ms = [], otherMs = []] = [costs[a], costs[b]];
    return [
      [
        `${sides[a]?.name} / ${sides[b]?.name}`,
        `${rounded(median(perSecond))} / ${rounded(median(otherPerSecond))} a second`,
        medianRatio(perSecond, otherPerSecond),
        aim,
      ],
      [
        '… by CPU',
        `${median(ms).toFixed(3)} / ${median(otherMs).toFixed(3)} ms a request`,
        medianRatio(otherMs, ms),
        aim === AIM_PARSE ? aim : 'for comparison',
      ],
    ];
  });
}

function ownSides(server: Process, bare: Process, made: Made[]): Record<'reads' | 'creates', Side[]> {
  const path = `/api/v1/applications/${CLIENT_ID}/profile/`;
  const side = (name: string, process: Process, load: Omit<Load, 'url'>, requests: number): Side => ({
    name,
    process,
    load: { url: process.url, ...load },
    requests,
  });
  const own = made.map((profile) => ({ path, headers: { authorization: `Bearer ${profile.access_token}` } }));
  const bareRead = made.map((profile) => ({ path: `/profile/${profile.id}/${tokenId(profile.access_token)}/` }));
  const to = (process: Process, path: string): Partial<Load> => ({ url: process.url + path, method: 'POST' });
  return {
    reads: [
      side('GET profile', server, { requests: own }, 5000),
      side('bare SELECT', bare, { requests: bareRead }, 5000),
    ],
    creates: [
      side('POST profile', server, to(server, path), 3000),
      side('bare INSERTs', bare, to(bare, '/profile/'), 3000),
    ],
  };
}

async function parseSides(parse: Process): Promise<Record<'reads' | 'creates', Side[]>> {
  const me = 'parse-server users/me';
  return {
    reads: [
      { name: me, process: parse, load: await parseRead(parse, PROFILES), requests: 1000 },
      { name: `${me}, not cached`, process: parse, load: await parseRead(parse, RETURNING), requests: 1000 },
    ],
    creates: [{ name: 'parse-server anonymous sign-up', process: parse, load: parseCreate(parse), requests: 500 }],
  };
}

async function main(): Promise<void> {
  const folder = await temporaryFolder();
  const database = await startEmbedded({ dataDir: folder.path, ...(WITH_PEERS && { transport: 'tcp' }) });
  const started: Process[] = [];
  const running = async (starting: Promise<Process>): Promise<Process> => {
    const process = await starting;
    started.push(process);
    return process;
  };
  try {
    const env = { NODE_ENV: 'production', DATABASE_URL: database.url };
    const server = await running(startGrandstand({ ...env, ROLE: 'api' }));
    const idle = await residentMegabytes(server.pid);
    const bare = await running(startProcess([join(root, 'bench/bare-profile.mjs')], env));
    const own = ownSides(server, bare, await makeProfiles(server));
    const peer = WITH_PEERS ? await parseSides(await running(startParse(database.url))) : { reads: [], creates: [] };
    const toParse = (place: number): [number, number, string][] => [
      [0, place, AIM_PARSE],
      [1, place, 'for comparison'],
    ];
    const rows: Rows = [['memory of the idle API process', `${rounded(idle)} MB`, '', 'under 150 MB']];
    for (const work of ['reads', 'creates'] as const) {
      const sides = [...own[work], ...peer[work]];
      const peers = peer[work].flatMap((_, i) => toParse(own[work].length + i));
      rows.push(...(await compare(sides, [[0, 1, AIM_BARE], ...peers], database.pid)));
    }
    const after = rounded(await residentMegabytes(server.pid));
    rows.push(['memory of the API process after the load', `${after} MB`, '', '']);
    report('HTTP, 32 connections', rows);
  } finally {
    for (const process of started.toReversed()) await process.stop();
    await database.stop();
    await folder.remove();
  }
}

await main();
