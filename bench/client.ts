// What the benchmarks of the engine ask of a running server: the API, its metrics, its memory.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { ADMIN_TOKEN, CLIENT_ID, type Process } from './lib.ts';

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Under the application's path. Fails on anything but success. */
export async function call<T>(server: Process, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${server.url}/api/v1/applications/${CLIENT_ID}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${ADMIN_TOKEN}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (response.status === 204 ? undefined : await response.json()) as T; // the caller knows the answer's shape
}

/** A metric's samples by label set. */
export async function metric(server: Process, name: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return new Map(lines.map((line) => [/\{(.*)\}/.exec(line)?.[1] ?? '', Number(line.slice(line.lastIndexOf(' ')))]));
}

export const sumOf = async (server: Process, name: string): Promise<number> =>
  [...(await metric(server, name)).values()].reduce((a, b) => a + b, 0);

export type Buckets = Map<string, number>;

export const freshness = (server: Process): Promise<Buckets> => metric(server, 'grandstand_freshness_seconds_bucket');

/** A quantile of what a histogram counted between two readings, straight within its bucket. */
export function quantile(before: Buckets, after: Buckets, q: number): number {
  const buckets = [...after].map(([labels, count]) => ({
    bound: Number(/le="([^"]+)"/.exec(labels)?.[1]?.replace('+Inf', 'Infinity')),
    count: count - (before.get(labels) ?? 0),
  }));
  buckets.sort((a, b) => a.bound - b.bound);
  const wanted = (buckets.at(-1)?.count ?? 0) * q;
  let low = { bound: 0, count: 0 };
  for (const bucket of buckets) {
    if (bucket.count >= wanted) {
      return bucket.bound === Infinity
        ? low.bound
        : low.bound + ((wanted - low.count) / Math.max(1, bucket.count - low.count)) * (bucket.bound - low.bound);
    }
    low = bucket;
  }
  return NaN;
}

/** Of plain samples. */
export function quantileOf(samples: readonly number[], q: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}

/** Waits until nothing is queued; seconds. */
export async function untilDrained(server: Process): Promise<number> {
  const started = performance.now();
  while ((await sumOf(server, 'grandstand_queue_rows')) > 0) await pause(50);
  return (performance.now() - started) / 1000;
}

/** The counters of the evaluation's thread come twice a second. */
export const untilCounted = (): Promise<void> => pause(1_100);

export async function makeGroup(server: Process, rule: unknown, customId?: string): Promise<string> {
  const body = { name: 'Bench', membership_type: 'dynamic', rule_tree: rule, custom_id: customId };
  return (await call<{ id: string }>(server, 'POST', '/profile-groups/', body)).id;
}

/** Seconds until the group is filled. */
export async function untilLive(server: Process, group: string): Promise<number> {
  const started = performance.now();
  for (;;) {
    const { evaluation } = await call<{ evaluation: { state: string; last_error: string | null } }>(
      server,
      'GET',
      `/profile-groups/${group}/`,
    );
    if (evaluation.state === 'live') return (performance.now() - started) / 1000;
    if (evaluation.state === 'failed') throw new Error(`a backfill failed: ${String(evaluation.last_error)}`);
    await pause(10);
  }
}

/** The most memory that the process ever held, in MB. */
export function peakMemory(server: Process): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? NaN) / 1024;
}

/** Asks for a small resource again and again while the work runs; milliseconds of each answer. */
export async function probeDuring(server: Process, path: string, work: Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  let isDone = false;
  const done = work.finally(() => (isDone = true));
  while (!isDone) {
    const started = performance.now();
    await call(server, 'GET', path);
    samples.push(performance.now() - started);
    await pause(50);
  }
  await done;
  return samples;
}

/** Deletes every dynamic group, and waits until their members and changes are gone too. */
export async function clearGroups(server: Process, client: pg.Client): Promise<void> {
  for (;;) {
    const path = '/profile-groups/?membership_type=dynamic&page_size=100';
    const { results } = await call<{ results: { id: string }[] }>(server, 'GET', path);
    if (results.length === 0) break;
    for (const { id } of results) await call(server, 'DELETE', `/profile-groups/${id}/`);
  }
  for (;;) {
    const { rowCount } = await client.query('select from group_deletions');
    if (rowCount === 0) return;
    await pause(200);
  }
}

/** Waits until the server is at rest: groups that were deleted are gone, no vacuum, no count of the statistics runs. Not for ever. */
export async function untilIdle(client: pg.Client): Promise<void> {
  for (const until = performance.now() + 15_000; performance.now() < until;) {
    const { rowCount } = await client.query(`
      select from group_deletions union all
      select from pg_stat_activity where pid <> pg_backend_pid() and (backend_type = 'autovacuum worker'
        or backend_type = 'client backend' and state = 'active' and clock_timestamp() - query_start > interval '50 milliseconds')`);
    if (rowCount === 0) return;
    await pause(100);
  }
}

/** Processor time of the server and of the embedded database in this folder, until now. */
export function processorSeconds(server: Process, folder: string): number {
  const postmaster = Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]);
  let ticks = 0;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    let fields: string[];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // from the third field on: state, parent, …
    } catch {
      continue; // it ended meanwhile
    }
    const field = (n: number): number => Number(fields[n - 3] ?? 0);
    if (pid === server.pid || pid === postmaster || field(4) === postmaster) ticks += field(14) + field(15);
    if (pid === postmaster) ticks += field(16) + field(17); // of connections that were closed
  }
  return ticks / 100;
}
