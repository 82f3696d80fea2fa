// What the variables alone tell. No check here touches the world, so readiness asks them each time.

import type { Config } from '../config.ts';
import { findIf, type Finding } from './finding.ts';

/** Words of examples, which nobody who drew a secret by chance has in it. */
const EXAMPLE = /change.?me|password|example|default|grandstand|your.?secret|0123456789abcdef$/i;
const MIN_DISTINCT = 10;

/** Whether somebody made it up, or copied it. */
export function isWeak(secret: string): boolean {
  return EXAMPLE.test(secret) || new Set(secret).size < MIN_DISTINCT;
}

export const isLoopback = (host: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/.test(host);

export function checkSettings(config: Config): Finding[] {
  return [...checkAddress(config), ...checkSecrets(config), ...checkLimits(config)];
}

function checkAddress({ publicUrl, host, trustProxy }: Config): Finding[] {
  const isOpen = !isLoopback(host);
  const url = publicUrl === undefined ? undefined : new URL(publicUrl);
  return [
    ...findIf(url === undefined, {
      check: 'public-url',
      level: 'warning',
      what: 'PUBLIC_URL is not set: URLs in answers begin with whatever Host a caller names.',
      why: 'A cache, or a mail that takes such a URL from an answer, can be led to another site by who asked.',
      action: 'Set PUBLIC_URL to the origin that fans and producers use, such as https://fans.example.com.',
    }),
    ...findIf(url?.protocol === 'http:' && !isLoopback(url.hostname), {
      check: 'public-url-tls',
      level: 'warning',
      what: `PUBLIC_URL is ${publicUrl}: fans and producers come without encryption.`,
      why: 'Access tokens, sessions and what fans do can be read and taken over on the way.',
      action: 'Put a proxy that ends TLS before the server and make PUBLIC_URL an https origin.',
    }),
    ...findIf(url?.protocol === 'https:' && trustProxy === false, {
      check: 'trust-proxy',
      level: 'warning',
      what: 'PUBLIC_URL is https, so a proxy stands before the server, but TRUST_PROXY is not set.',
      why: 'All callers then share the address of the proxy: one of them uses up the limit of requests (RATE_LIMIT_ADDRESS) for all.',
      action: 'Set TRUST_PROXY to the number of proxies, or to their addresses.',
    }),
    ...findIf(typeof trustProxy === 'number' && trustProxy > 0 && isOpen, {
      check: 'trust-proxy-open',
      level: 'note',
      what: `TRUST_PROXY is a number, and the server listens on ${host}.`,
      why: 'Whoever reaches the port beside the proxy can claim any address, and so has no limit of requests.',
      action: 'Let nothing but the proxies reach the port, or give their addresses instead of a number.',
    }),
  ];
}

function checkSecrets({ secretKey, bootstrap }: Config): Finding[] {
  const given = {
    SECRET_KEY: secretKey,
    BOOTSTRAP_CLIENT_SECRET: bootstrap.clientSecret,
    BOOTSTRAP_ADMIN_TOKEN: bootstrap.adminToken,
  };
  return Object.entries(given).flatMap(([name, secret]) =>
    findIf(secret !== undefined && isWeak(secret), {
      check: name.toLowerCase().replaceAll('_', '-'),
      level: 'warning',
      what: `${name} looks made up or copied from an example.`,
      why:
        name === 'SECRET_KEY'
          ? 'Who guesses it can make access tokens for every fan, and read the secrets that are encrypted under it.'
          : 'Who guesses it can do everything in that application.',
      action:
        name === 'SECRET_KEY'
          ? 'Take one drawn by chance (openssl rand -hex 32) for a new installation. An existing database keeps the key that it was made with: export and import into a new one.'
          : 'Draw one by chance (openssl rand -hex 32), and revoke the old one.',
    }),
  );
}

function checkLimits({ limits, streamLimits, webhookAllowPrivate, logLevel }: Config): Finding[] {
  const off = Object.entries({
    RATE_LIMIT_ADDRESS: limits.perAddress,
    RATE_LIMIT_PROFILE: limits.perProfile,
    RATE_LIMIT_APPLICATION: limits.perApplication,
    STREAM_LIMIT: streamLimits.total,
  }).flatMap(([name, limit]) => (limit === 0 ? [name] : []));
  return [
    ...findIf(off.length > 0, {
      check: 'limits',
      level: 'note',
      what: `${off.join(', ')}: turned off.`,
      why: 'One caller can then take all that the server has.',
      action: 'Leave the variables out to have the defaults, unless something before the server limits requests.',
    }),
    ...findIf(webhookAllowPrivate, {
      check: 'webhook-allow-private',
      level: 'note',
      what: 'WEBHOOK_ALLOW_PRIVATE is true: webhooks may go to addresses inside of your network.',
      why: 'Whoever may make webhooks can reach, and partly read, what only this machine can.',
      action: 'Leave it out where others than you are owners of applications.',
    }),
    ...findIf(logLevel === 'silent', {
      check: 'log-level',
      level: 'note',
      what: 'LOG_LEVEL is silent.',
      why: 'What goes wrong leaves no trace.',
      action: 'Take warn where info is too much.',
    }),
  ];
}
