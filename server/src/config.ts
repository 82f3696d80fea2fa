// The environment, read once (by main.ts), checked, and from then on passed around as plain values.

import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { BACKUP_VARIABLES, readBackupConfig, type BackupConfig } from './backup-config.ts';
import { findAddressProblem } from './database/address.ts';
import { MICROS_PER_DAY } from './instant.ts';

export type Role = 'all' | 'api' | 'worker';

export interface Limits {
  /** Requests a minute; 0 turns a limit off. */
  perAddress: number;
  perProfile: number;
  perApplication: number;
}

/** Event streams open at once in a process; 0 turns a limit off. */
export interface StreamLimits {
  total: number;
  perAddress: number;
  perProfile: number;
  perApplication: number;
}

export interface Config {
  host: string;
  port: number;
  /** Origin in emitted URLs; undefined: the request's own. */
  publicUrl: string | undefined;
  trustProxy: TrustedProxies;
  /** Undefined: the embedded database in dataDir. */
  databaseUrl: string | undefined;
  databasePoolSize: number;
  dataDir: string;
  /** Undefined: backups are made by nobody but an operator. */
  backup: BackupConfig | undefined;
  secretKey: string | undefined;
  bootstrap: { clientId: string | undefined; clientSecret: string | undefined; adminToken: string | undefined };
  role: Role;
  /** Microseconds; 0: membership is evaluated at once. */
  evaluationInterval: number;
  /** Webhooks may go to plain http and to addresses that are not public. */
  webhookAllowPrivate: boolean;
  /** Microseconds that rows of the audit log are kept. */
  auditRetention: number;
  limits: Limits;
  streamLimits: StreamLimits;
  requestTimeoutMs: number;
  logLevel: string;
}

export class ConfigError extends Error {}

/** Every variable, for README's table and `grandstand --help`; a test holds them together. */
export const VARIABLES = {
  HOST: 'Address to listen on. Default `127.0.0.1`.',
  PORT: 'Port to listen on. Default `7070`; `0` picks a free one.',
  PUBLIC_URL:
    'Origin in the URLs that answers contain, such as `https://fans.example.com`. Default: the origin of the request.',
  TRUST_PROXY:
    'How many proxies stand before the server (`true` is `1`), or their addresses (`10.0.0.0/8,2001:db8::/32`, `loopback`, `uniquelocal`): what they say of the caller’s address and of host and protocol is believed. With a number, nothing but the proxies may reach the port. Default `false`.',
  DATABASE_URL:
    'PostgreSQL 15 or later, or a Citus coordinator: `postgres://…`. Default: the embedded database in `DATA_DIR`.',
  DATABASE_POOL_SIZE: 'Connections for transactions, per process. Default `10`.',
  DATA_DIR: 'Folder of the embedded database, the secret key and the first start’s credentials. Default `./data`.',
  SECRET_KEY:
    'Signs tokens and encrypts secrets, 32 characters or more. Default: made in `DATA_DIR`; required with `DATABASE_URL`.',
  BOOTSTRAP_CLIENT_ID: 'Client id of an application to create at start unless it exists.',
  BOOTSTRAP_CLIENT_SECRET: 'Its client secret, 32 characters or more.',
  BOOTSTRAP_ADMIN_TOKEN: 'An admin token to create in it unless it exists, 22 characters or more.',
  ROLE: '`all` (default), `api` (answers requests) or `worker` (evaluates groups, answers only `/healthz`, `/readyz` and `/metrics`).',
  EVALUATION_INTERVAL:
    '`0` (default): groups follow at once. An ISO 8601 duration such as `PT15M` evaluates at that interval.',
  WEBHOOK_ALLOW_PRIVATE:
    '`true`: webhooks may go to `http` and to private addresses, as inside a network that you trust. Default `false`.',
  RATE_LIMIT_ADDRESS: 'Requests a minute from one address. Default `6000`; `0` turns it off.',
  RATE_LIMIT_PROFILE: 'Requests a minute with one profile’s tokens. Default `1200`; `0` turns it off.',
  RATE_LIMIT_APPLICATION: 'Requests a minute in one application. Default `300000`; `0` turns it off.',
  STREAM_LIMIT:
    'Event streams that a process holds open; when all are taken, applications share them. Default `20000`; `0` turns it off.',
  STREAM_LIMIT_ADDRESS: 'Event streams from one address. Default `2000`; `0` turns it off.',
  STREAM_LIMIT_PROFILE: 'Event streams of one profile. Default `20`; `0` turns it off.',
  STREAM_LIMIT_APPLICATION: 'Event streams in one application. Default `15000`; `0` turns it off.',
  ...BACKUP_VARIABLES,
  AUDIT_RETENTION: 'How long the audit log is kept, an ISO 8601 duration of days. Default `P400D`.',
  REQUEST_TIMEOUT: 'Seconds until a request that is not answered gets a 503. Default `30`.',
  LOG_LEVEL: '`trace`, `debug`, `info` (default), `warn`, `error` or `silent`.',
} as const;

type Environment = Record<string, string | undefined>;

/** Where this machine reaches the server, for who has no request that says it. */
export function originOf({ publicUrl, host, port }: Pick<Config, 'publicUrl' | 'host' | 'port'>): string {
  const name = /^(0\.0\.0\.0|::)$/.test(host) ? 'localhost' : isIP(host) === 6 ? `[${host}]` : host;
  return publicUrl ?? `http://${name}:${port}`;
}

export function readConfig(environment: Environment): Config {
  const read = (name: keyof typeof VARIABLES): string | undefined => {
    const value = environment[name]?.trim();
    return value === '' ? undefined : value;
  };
  const fail = (name: keyof typeof VARIABLES, what: string): never => {
    throw new ConfigError(`${name}: ${what}`);
  };
  const integer = (name: keyof typeof VARIABLES, fallback: number, min: number, max: number): number => {
    const text = read(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      fail(name, `must be a whole number from ${min} to ${max}, not "${text}".`);
    return value;
  };
  const oneOf = <T extends string>(name: keyof typeof VARIABLES, fallback: T, allowed: readonly T[]): T => {
    const text = read(name) ?? fallback;
    return (
      allowed.find((choice) => choice === text) ?? fail(name, `must be one of ${allowed.join(', ')}, not "${text}".`)
    );
  };

  const databaseUrl = read('DATABASE_URL');
  const addressProblem = databaseUrl === undefined ? undefined : findAddressProblem(databaseUrl);
  if (addressProblem !== undefined) fail('DATABASE_URL', addressProblem);
  const secretKey = read('SECRET_KEY');
  if (secretKey !== undefined && secretKey.length < 32) fail('SECRET_KEY', 'must have 32 characters or more.');
  if (databaseUrl !== undefined && secretKey === undefined) {
    fail(
      'SECRET_KEY',
      'is required with DATABASE_URL, since every process must have the same. `openssl rand -hex 32` makes one.',
    );
  }
  const interval = (name: keyof typeof VARIABLES, text: string | undefined): number =>
    readInterval(text, (what) => fail(name, what));
  const backup = readBackupConfig({ read, integer, oneOf, interval, fail });
  if (backup !== undefined && databaseUrl !== undefined)
    fail('BACKUP_TO', 'is for the embedded database; back up the one of DATABASE_URL with its own tools.');
  const publicUrl = read('PUBLIC_URL');
  if (publicUrl !== undefined && !isOrigin(publicUrl))
    fail('PUBLIC_URL', `must be an http(s) origin without a path, not "${publicUrl}".`);

  const clientId = read('BOOTSTRAP_CLIENT_ID');
  const clientSecret = read('BOOTSTRAP_CLIENT_SECRET');
  const adminToken = read('BOOTSTRAP_ADMIN_TOKEN');
  if (clientId !== undefined && !/^[A-Za-z0-9_-]{4,64}$/.test(clientId)) {
    fail('BOOTSTRAP_CLIENT_ID', 'must be 4 to 64 characters of A-Z, a-z, 0-9, _ and -.');
  }
  if (clientSecret !== undefined && clientSecret.length < 32)
    fail('BOOTSTRAP_CLIENT_SECRET', 'must have 32 characters or more.');
  if (adminToken !== undefined && !/^[\x21-\x7e]{22,200}$/.test(adminToken)) {
    fail('BOOTSTRAP_ADMIN_TOKEN', 'must be 22 to 200 printable ASCII characters without spaces.');
  }
  if (clientId === undefined && (clientSecret ?? adminToken) !== undefined) {
    fail('BOOTSTRAP_CLIENT_ID', 'is required with BOOTSTRAP_CLIENT_SECRET or BOOTSTRAP_ADMIN_TOKEN.');
  }

  const trust = read('TRUST_PROXY') ?? 'false';
  const trustProxy =
    readTrustedProxies(trust) ??
    fail(
      'TRUST_PROXY',
      `must be true, false, a number of proxies from 0 to ${MAX_HOPS}, or addresses such as 10.0.0.0/8, not "${trust}".`,
    );
  return {
    host: read('HOST') ?? '127.0.0.1',
    port: integer('PORT', 7070, 0, 65_535),
    publicUrl: publicUrl?.replace(/\/$/, ''),
    trustProxy,
    databaseUrl,
    databasePoolSize: integer('DATABASE_POOL_SIZE', 10, 2, 1000),
    dataDir: resolve(read('DATA_DIR') ?? './data'),
    backup,
    secretKey,
    bootstrap: { clientId, clientSecret, adminToken },
    role: oneOf('ROLE', 'all', ['all', 'api', 'worker']),
    auditRetention: readDays(read('AUDIT_RETENTION') ?? 'P400D', (what) => fail('AUDIT_RETENTION', what)),
    evaluationInterval: interval('EVALUATION_INTERVAL', read('EVALUATION_INTERVAL')),
    webhookAllowPrivate: oneOf('WEBHOOK_ALLOW_PRIVATE', 'false', ['true', 'false']) === 'true',
    limits: {
      perAddress: integer('RATE_LIMIT_ADDRESS', 6_000, 0, 1e9),
      perProfile: integer('RATE_LIMIT_PROFILE', 1_200, 0, 1e9),
      perApplication: integer('RATE_LIMIT_APPLICATION', 300_000, 0, 1e9),
    },
    streamLimits: {
      total: integer('STREAM_LIMIT', 20_000, 0, 1e6),
      perAddress: integer('STREAM_LIMIT_ADDRESS', 2_000, 0, 1e6),
      perProfile: integer('STREAM_LIMIT_PROFILE', 20, 0, 1e6),
      perApplication: integer('STREAM_LIMIT_APPLICATION', 15_000, 0, 1e6),
    },
    requestTimeoutMs: integer('REQUEST_TIMEOUT', 30, 1, 3_600) * 1000,
    logLevel: oneOf('LOG_LEVEL', 'info', ['trace', 'debug', 'info', 'warn', 'error', 'silent']),
  };
}

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '' && url.hash === '';
}

/** How many hops before the server are believed, or the ranges of addresses that are; false: none. */
export type TrustedProxies = false | number | string[];

const MAX_HOPS = 32;
const NAMED_RANGES: Record<string, string[]> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/** Undefined where the text is none of what TRUST_PROXY may be. */
export function readTrustedProxies(text: string): TrustedProxies | undefined {
  if (text === 'false') return false;
  if (text === 'true') return 1;
  if (/^\d+$/.test(text)) return Number(text) <= MAX_HOPS ? Number(text) : undefined;
  const ranges = text.split(',').map((part) => readRange(part.trim()));
  return ranges.every((range) => range !== undefined) ? ranges.flat() : undefined;
}

/** An address, a network, or the name of some. */
function readRange(text: string): string[] | undefined {
  if (Object.hasOwn(NAMED_RANGES, text)) return NAMED_RANGES[text];
  const [address = '', bits, ...rest] = text.split('/');
  const kind = isIP(address);
  if (kind === 0 || rest.length > 0) return undefined;
  const most = kind === 6 ? 128 : 32;
  if (bits === undefined) return [`${address}/${most}`];
  return /^\d{1,3}$/.test(bits) && Number(bits) <= most ? [text] : undefined;
}

const MAX_DAYS = 36_500;

/** `P400D`, in microseconds. */
function readDays(text: string, fail: (what: string) => never): number {
  const days = Number(/^P(\d{1,6})D$/.exec(text)?.[1] ?? NaN);
  if (!(days >= 1 && days <= MAX_DAYS))
    fail(`must be an ISO 8601 duration of 1 to ${MAX_DAYS} days, such as P400D, not "${text}".`);
  return days * MICROS_PER_DAY;
}

function readInterval(text: string | undefined, fail: (what: string) => never): number {
  if (text === undefined || text === '0') return 0;
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(text);
  if (!match || text.endsWith('P') || text.endsWith('T'))
    return fail(`must be 0 or an ISO 8601 duration such as PT15M, not "${text}".`);
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return (((days ?? 0) * 24 + (hours ?? 0)) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0)) * 1_000_000;
}
