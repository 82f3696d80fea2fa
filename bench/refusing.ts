// What one large request that is refused costs the others: how long a cheap request beside it waits, how much memory the
// process takes for it, how long the answer is. Beside a bare route that parses the same body and takes it.
// `npx tsx bench/refusing.ts [folder]`; with a folder, of the working copy that stands there. ROUNDS sets the number of rounds.

import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { listOf } from '../server/src/testing/large-bodies.ts';
import {
  ADMIN_TOKEN,
  CLIENT_ID,
  median,
  report,
  root,
  rounded,
  startProcess,
  temporaryFolder,
  type Process,
} from './lib.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 5);
const MIB = 1024 * 1024;
const PING_MS = 2;

interface Case {
  what: string;
  method: string;
  path: string;
  body: Buffer;
}
interface Cost {
  stallMs: number;
  memoryMiB: number;
  answerBytes: number;
  status: number;
}

async function startServer(folder: string): Promise<Process> {
  return startProcess(['--import', 'tsx', join(process.argv[2] ?? root, 'server/src/main.ts')], {
    DATA_DIR: folder,
    PORT: '0',
    LOG_LEVEL: 'error',
    RATE_LIMIT_ADDRESS: '0',
    RATE_LIMIT_PROFILE: '0',
    RATE_LIMIT_APPLICATION: '0',
    BOOTSTRAP_CLIENT_ID: CLIENT_ID,
    BOOTSTRAP_ADMIN_TOKEN: ADMIN_TOKEN,
  });
}

function casesFor(group: string): Case[] {
  const application = `/api/v1/applications/${CLIENT_ID}/`;
  const unknown = Array.from({ length: 700 }, (_, n) => `"unknown_${n}":0`).join(',');
  const leaves = listOf('0', 600_000);
  const cases: [what: string, method: string, path: string, body: string][] = [
    ['1 MiB of numbers as attributes', 'POST', 'profile/', `{"attributes":${listOf('0', MIB - 100)}}`],
    [
      'a rule of 300,000 leaves',
      'POST',
      'profile-groups/preview/',
      `{"rule_tree":{"operator":"AND","children":${leaves}}}`,
    ],
    [
      '16 MiB of numbers as members',
      'POST',
      `profile-groups/${group}/members/`,
      `{"profile_ids":${listOf('0', 16 * MIB - 100)}}`,
    ],
    [
      '1,000 activities of 700 unknown fields',
      'POST',
      'activities/',
      `{"activities":[${Array(1000).fill(`{"id":"a",${unknown}}`).join(',')}]}`,
    ],
  ];
  return cases.map(([what, method, path, body]) => ({
    what,
    method,
    path: application + path,
    body: Buffer.from(body),
  }));
}

/** The bytes of an answer and its status. By hand: a client would count its own work in. */
function send(server: Process, { method, path, body }: Case): Promise<{ bytes: number; status: number }> {
  const { hostname, port } = new URL(server.url);
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: x',
    'Connection: close',
    'Content-Type: application/json',
    `Authorization: Bearer ${ADMIN_TOKEN}`,
    `Content-Length: ${body.length}`,
  ];
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => {
      socket.write(`${head.join('\r\n')}\r\n\r\n`);
      socket.write(body);
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => {
      const answer = Buffer.concat(chunks);
      const status = Number(answer.subarray(0, 20).toString('latin1').split(' ')[1]);
      resolve({ bytes: answer.length - answer.indexOf('\r\n\r\n') - 4, status });
    });
  });
}

async function residentMiB(server: Process, which: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
  return Number(new RegExp(`${which}:\\s+(\\d+)`).exec(status)?.[1] ?? NaN) / 1024;
}

async function costOf(server: Process, one: Case): Promise<Cost> {
  await writeFile(`/proc/${server.pid}/clear_refs`, '5'); // the largest size is counted anew
  const before = await residentMiB(server, 'VmRSS');
  let isDone = false;
  let stallMs = 0;
  const pings = (async () => {
    while (!isDone) {
      const from = performance.now();
      // One that is refused waited as well.
      await fetch(`${server.url}/healthz`).then(
        (answer) => answer.text(),
        () => {},
      );
      stallMs = Math.max(stallMs, performance.now() - from);
      await new Promise((resolve) => setTimeout(resolve, PING_MS));
    }
  })();
  const { bytes, status } = await send(server, one);
  isDone = true;
  await pings;
  return { stallMs, memoryMiB: (await residentMiB(server, 'VmHWM')) - before, answerBytes: bytes, status };
}

const folder = await temporaryFolder();
const server = await startServer(folder.path);
const bare = await startProcess([join(root, 'bench/bare-json.mjs')], {});
try {
  const made = await fetch(`${server.url}/api/v1/applications/${CLIENT_ID}/profile-groups/`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Bench' }),
  });
  const { id } = (await made.json()) as { id: string };
  const rows: Parameters<typeof report>[1] = [];
  for (const one of casesFor(id)) {
    const costs: Cost[] = [];
    const bares: Cost[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      if (round % 2 === 0) costs.push(await costOf(server, one));
      bares.push(await costOf(bare, one));
      if (round % 2 === 1) costs.push(await costOf(server, one));
    }
    const of = (list: Cost[], figure: keyof Cost): number => median(list.map((cost) => cost[figure]));
    const [ours, its] = [of(costs, 'stallMs'), of(bares, 'stallMs')];
    const ratio = median(costs.map(({ stallMs }, n) => stallMs / (bares[n]?.stallMs ?? NaN)));
    rows.push(
      [`${one.what}: another request waits`, `${rounded(ours)} ms, bare ${rounded(its)} ms`, ratio, 'at most 1'],
      [
        '  memory of the process',
        `${rounded(of(costs, 'memoryMiB'))} MiB`,
        `bare ${rounded(of(bares, 'memoryMiB'))} MiB`,
        'the body and 64 MiB',
      ],
      [
        '  answer',
        `${of(costs, 'answerBytes').toLocaleString('en')} bytes`,
        String(of(costs, 'status')),
        'at most 65,536',
      ],
    );
  }
  report('One large request that is refused', rows);
} finally {
  await server.stop();
  await bare.stop();
  await folder.remove();
}
