// A thousand fans who follow their own groups: what that costs the server while nothing happens, and how long a change
// takes to reach them. `npx tsx bench/own-groups.ts`

import { get } from 'node:http';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAdminClient } from '../sdk/src/server.ts';
import { ADMIN_TOKEN, CLIENT_ID, report, root, startProcess, temporaryFolder } from './lib.ts';

const FANS = Number(process.env['FANS'] ?? 1000);
const GROUPS = 10;
const CHANGES = 40;
const AT_ONCE = 50;
const QUIET_MS = 5000;

const folder = await temporaryFolder();
const server = await startProcess(['--import', 'tsx', join(root, 'server/src/main.ts')], {
  DATA_DIR: folder.path,
  PORT: '0',
  LOG_LEVEL: 'error',
  RATE_LIMIT_ADDRESS: '0',
  BOOTSTRAP_CLIENT_ID: CLIENT_ID,
  BOOTSTRAP_ADMIN_TOKEN: ADMIN_TOKEN,
});
const admin = createAdminClient({ clientId: CLIENT_ID, endpoint: server.url, accessToken: ADMIN_TOKEN });

interface Fan {
  id: string;
  events: number;
  wake?: () => void;
}

/** Seconds of CPU that the server's own process has used. */
async function cpuSeconds(): Promise<number> {
  const fields = (await readFile(`/proc/${server.pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function residentMegabytes(): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))?.[1] ?? NaN) / 1024;
}

function connect(fan: Fan, token: string): Promise<void> {
  const url = `${server.url}/api/v1/applications/${CLIENT_ID}/profiles/${fan.id}/profile-groups/events/`;
  return new Promise((resolve, reject) => {
    get(url, { headers: { authorization: `Bearer ${token}` }, agent: false }, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        reject(new Error(`a stream was answered ${response.statusCode}`));
        return;
      }
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        if (!text.includes('data: ')) return;
        fan.events++;
        if (fan.events === 1) resolve();
        fan.wake?.();
      });
      response.on('error', () => {}); // the server stops at the end
    }).on('error', reject);
  });
}

const nextEvent = (fan: Fan): Promise<void> => new Promise((resolve) => (fan.wake = resolve));
const percentile = (values: number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? NaN;
const ms = (value: number): string => `${Math.round(value)} ms`;

try {
  const made = await admin.profiles.upsert(Array.from({ length: FANS }, (_, i) => ({ custom_id: `fan-${i}` })));
  const fans = made.map(({ id }): Fan => ({ id: id ?? '', events: 0 }));
  const ids = fans.map(({ id }) => id);
  for (let i = 0; i < GROUPS; i++)
    await admin.groups.addMembers((await admin.groups.create({ name: `Group ${i}` })).id, { profile_ids: ids });
  const extra = await admin.groups.create({ name: 'Comes and goes' });

  const before = await residentMegabytes();
  let started = performance.now();
  for (let i = 0; i < fans.length; i += AT_ONCE) {
    await Promise.all(fans.slice(i, i + AT_ONCE).map((fan, j) => connect(fan, made[i + j]?.access_token ?? '')));
  }
  const connecting = performance.now() - started;
  const memory = (await residentMegabytes()) - before;

  const [cpu, at] = [await cpuSeconds(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  const quiet = ((await cpuSeconds()) - cpu) / ((performance.now() - at) / 1000);

  const latencies: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const fan = fans[i % 20];
    if (!fan) continue;
    const told = nextEvent(fan);
    if (i < 20) await admin.groups.addMembers(extra.id, { profile_ids: [fan.id] });
    else await admin.groups.removeMembers(extra.id, { profile_ids: [fan.id] });
    started = performance.now();
    await told;
    latencies.push(performance.now() - started);
  }
  const everybody = Promise.all(fans.map(nextEvent));
  await admin.groups.addMembers(extra.id, { profile_ids: ids });
  started = performance.now();
  await everybody;
  const all = performance.now() - started;

  report(`${FANS} fans follow their own groups, each in ${GROUPS}`, [
    ['all connected and told their groups', ms(connecting), `${memory.toFixed(0)} MB`, 'memory of all streams'],
    ['CPU of the server’s process while nothing happens', `${(quiet * 100).toFixed(1)} % of a core`, '', ''],
    [
      'one fan’s change, from its acknowledgement to the fan',
      `p50 ${ms(percentile(latencies, 0.5))}, p99 ${ms(percentile(latencies, 0.99))}`,
      '',
      'p99 below a second',
    ],
    ['a change of all of them, until the last was told', ms(all), '', 'below a second'],
  ]);
} finally {
  await server.stop();
  await folder.remove();
}
process.exit(0);
