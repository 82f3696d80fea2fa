// The variables of scheduled backups, as config.ts hands them over.

import { isAbsolute } from 'node:path';

export interface BackupConfig {
  target: { folder: string } | BucketTarget;
  /** Microseconds. */
  every: number;
  keep: number;
  /** Its first line is the passphrase; undefined: backups are not encrypted. */
  passphraseFile: string | undefined;
  /** Whether each is restored, to see that it can be. */
  isChecked: boolean;
}

export interface BucketTarget {
  bucket: string;
  /** Before the names; empty, or ends with a slash. */
  prefix: string;
  endpoint: string;
  region: string;
  keyId: string;
  keySecret: string;
}

export const BACKUP_VARIABLES = {
  BACKUP_TO:
    'Where backups of the embedded database go by themselves: a folder (an absolute path), or `s3://bucket/prefix` in a store that speaks S3. Default: none are made.',
  BACKUP_EVERY:
    'How often, an ISO 8601 duration from `PT5M`, counted from midnight UTC. Default `P1D`: soon after midnight.',
  BACKUP_KEEP: 'How many are kept; older ones are deleted. Default `7`.',
  BACKUP_CHECK:
    '`true` (default): each is read back and restored beside the data, and its rows are counted, before it counts as good; needs as much room as the database. `false`: is not.',
  BACKUP_PASSPHRASE_FILE: 'A file whose first line encrypts them. Default: they are not encrypted.',
  BACKUP_ENDPOINT: 'The store’s address, such as `https://minio.example.com`. Default: Amazon’s in the region.',
  BACKUP_REGION: 'The store’s region. Default `us-east-1`.',
  AWS_ACCESS_KEY_ID: 'The store’s key, which may list, read, write and delete below the prefix.',
  AWS_SECRET_ACCESS_KEY: 'Its secret.',
} as const;

type Name = keyof typeof BACKUP_VARIABLES;

export interface Reading {
  read(name: Name): string | undefined;
  integer(name: Name, fallback: number, min: number, max: number): number;
  oneOf<T extends string>(name: Name, fallback: T, allowed: readonly T[]): T;
  interval(name: Name, text: string): number;
  fail(name: Name, what: string): never;
}

const MIN_EVERY = 5 * 60 * 1_000_000;
const MAX_EVERY = 31 * 86_400 * 1_000_000;

export function readBackupConfig({ read, integer, oneOf, interval, fail }: Reading): BackupConfig | undefined {
  const to = read('BACKUP_TO');
  if (to === undefined) return undefined;
  const every = interval('BACKUP_EVERY', read('BACKUP_EVERY') ?? 'P1D');
  if (every < MIN_EVERY || every > MAX_EVERY) fail('BACKUP_EVERY', 'must be from PT5M to P31D.');
  return {
    target: to.startsWith('s3://')
      ? readBucket(to, { read, fail })
      : isAbsolute(to)
        ? { folder: to }
        : fail('BACKUP_TO', `must be the absolute path of a folder, or s3://bucket/prefix, not "${to}".`),
    every,
    keep: integer('BACKUP_KEEP', 7, 1, 1000),
    passphraseFile: read('BACKUP_PASSPHRASE_FILE'),
    isChecked: oneOf('BACKUP_CHECK', 'true', ['true', 'false']) === 'true',
  };
}

function readBucket(to: string, { read, fail }: Pick<Reading, 'read' | 'fail'>): BucketTarget {
  const [, bucket = '', prefix = ''] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w!.*'()/-]*))?$/.exec(to) ??
    fail('BACKUP_TO', `must name a bucket and a prefix of plain characters, as s3://bucket/prefix, not "${to}".`);
  const region = read('BACKUP_REGION') ?? 'us-east-1';
  const endpoint = read('BACKUP_ENDPOINT') ?? `https://s3.${region}.amazonaws.com`;
  if (!/^https?:\/\/[^/?#]+\/?$/.test(endpoint) || !URL.canParse(endpoint))
    fail('BACKUP_ENDPOINT', `must be an http(s) origin without a path, not "${endpoint}".`);
  const needed = (name: Name): string => read(name) ?? fail(name, 'is required with BACKUP_TO=s3://….');
  return {
    bucket,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    endpoint: endpoint.replace(/\/$/, ''),
    region,
    keyId: needed('AWS_ACCESS_KEY_ID'),
    keySecret: needed('AWS_SECRET_ACCESS_KEY'),
  };
}
