// The exchange of an old cluster for an upgraded one: two renames, of which the second is done by the next start where a
// process is killed between them.

import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from './embedded-place.ts';
import type { Log } from './embedded-postmaster.ts';

/** A new cluster there is whole. */
export const readyOf = (cluster: string): string => `${cluster}.upgraded`;
export const keptOf = (cluster: string, major: number): string => `${cluster}.postgresql-${major}`;

/** Under the lock of the data directory: ends the exchange that an upgrade began. */
export function finishUpgrade({ cluster }: Place, log: Log, at: (stage: 'aside') => void = () => {}): void {
  const ready = readyOf(cluster);
  if (!existsSync(ready)) return;
  const major = majorOf(cluster);
  if (major !== undefined) renameSync(cluster, keptOf(cluster, major));
  at('aside');
  renameSync(ready, cluster);
  log.info(`the database in ${cluster} is now one of PostgreSQL ${majorOf(cluster) ?? ''}`);
}

export function majorOf(cluster: string): number | undefined {
  const file = join(cluster, 'PG_VERSION');
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined;
}
