// A producer's session: a random token in a cookie that no script can read, its hash in the database, and beside it the
// CSRF token that every unsafe request must carry. Cookies are read and written here and nowhere else,
// in the two functions below: @fastify/cookie would take as many lines to set up, and read the cookies of every request.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from '../context.ts';
import type { Credential, ProducerCredential } from '../credential.ts';
import type { Queryable } from '../database/database.ts';
import { ApiError, denied } from '../errors.ts';
import { DEVICE_COOKIE, SESSION_COOKIE } from '../http/schemas.ts';
import { formatInstant } from '../instant.ts';
import { hashToken, randomText, sameText } from '../secrets.ts';
import { KNOWN_FOR, type Source } from './guessing.ts';
import { SESSION_IDLE, SESSION_LIFETIME } from './producer.ts';
import * as store from './producer-store.ts';

const HOUR = 3_600_000_000;
const SAFE = ['GET', 'HEAD', 'OPTIONS'];

const isSecure = (request: FastifyRequest): boolean => request.origin.startsWith('https:');

/** Over https the prefix makes browsers refuse the cookie from any but this very host over https. */
const cookieName = (request: FastifyRequest, name: string): string => (isSecure(request) ? `__Host-${name}` : name);

function readCookie(request: FastifyRequest, name: string): string | undefined {
  const wanted = `${cookieName(request, name)}=`;
  const found = request.headers.cookie?.split(';').find((part) => part.trimStart().startsWith(wanted));
  return found?.trim().slice(wanted.length) || undefined;
}

interface Cookie {
  name: string;
  value: string;
  sameSite: 'Lax' | 'Strict';
  /** Seconds. */
  maxAge: number;
}

function writeCookie(request: FastifyRequest, reply: FastifyReply, { name, value, sameSite, maxAge }: Cookie): void {
  const secure = isSecure(request) ? '; Secure' : '';
  reply.header(
    'set-cookie',
    `${cookieName(request, name)}=${value}; Path=/; HttpOnly; SameSite=${sameSite}; Max-Age=${maxAge}${secure}`,
  );
}

export interface NewSession {
  token: string;
  csrfToken: string;
}

export async function openSession(
  context: Pick<Context, 'clock'>,
  db: Queryable,
  producerId: string,
): Promise<NewSession> {
  const now = context.clock.now();
  const session = { token: randomText(43), csrfToken: randomText(32) };
  await store.deleteDeadSessions(db, producerId, formatInstant(now), formatInstant(now - SESSION_IDLE));
  await store.insertSession(db, {
    token_hash: hashToken(session.token),
    producer_id: producerId,
    csrf_token: session.csrfToken,
    now: formatInstant(now),
    expires_at: formatInstant(now + SESSION_LIFETIME),
  });
  return session;
}

/** The session's cookie, and where a device is to be known again, that one's. */
export function giveCookie(request: FastifyRequest, reply: FastifyReply, session: NewSession, device?: string): void {
  reply.header('cache-control', 'no-store');
  const maxAge = SESSION_LIFETIME / 1_000_000;
  writeCookie(request, reply, { name: SESSION_COOKIE, value: session.token, sameSite: 'Lax', maxAge });
  if (device !== undefined) {
    const kept = { name: DEVICE_COOKIE, value: device, sameSite: 'Strict', maxAge: KNOWN_FOR / 1_000_000 } as const;
    writeCookie(request, reply, kept);
  }
}

export function takeCookie(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('cache-control', 'no-store');
  writeCookie(request, reply, { name: SESSION_COOKIE, value: '', sameSite: 'Lax', maxAge: 0 });
}

/** From where an attempt to sign in comes. The device's cookie proves nothing else: it opens no session. */
export const sourceOf = (request: FastifyRequest): Source => ({
  address: request.address,
  device: readCookie(request, DEVICE_COOKIE),
});

/** The session's CSRF token, for the page that belongs to it. */
const csrfTokens = new WeakMap<ProducerCredential, { csrfToken: string; name: string }>();
export const sessionDetails = (credential: ProducerCredential): { csrfToken: string; name: string } => {
  const details = csrfTokens.get(credential);
  if (!details) throw new TypeError('not a credential of authenticateSession');
  return details;
};

/** The producer whose cookie the request carries, or undefined. Throws 403 where an unsafe method lacks the CSRF token. */
export async function authenticateSession(
  context: Context,
  request: FastifyRequest,
): Promise<ProducerCredential | undefined> {
  const token = readCookie(request, SESSION_COOKIE);
  if (token === undefined) return undefined;
  const now = context.clock.now();
  const tokenHash = hashToken(token);
  const db = { query: context.db.quick };
  const session = await store.findSession(db, tokenHash, formatInstant(now), formatInstant(now - SESSION_IDLE));
  if (!session) return undefined;
  if (!SAFE.includes(request.method) && !sameText(String(request.headers['x-csrf-token'] ?? ''), session.csrf_token)) {
    throw denied('The X-CSRF-Token of this session is missing or wrong.');
  }
  if (session.last_used_at < now - HOUR) await store.touchSession(context.db, tokenHash, formatInstant(now));
  const roles: ProducerCredential['roles'] = new Map(
    await Promise.all(
      (await store.listRoles(db, session.producer_id)).map(
        async ({ client_id, role }) =>
          [client_id, { application: await context.applications.get(client_id), role }] as const,
      ),
    ),
  );
  const credential: ProducerCredential = {
    kind: 'producer',
    producerId: session.producer_id,
    email: session.email,
    sessionId: tokenHash.toString('hex'),
    roles,
  };
  csrfTokens.set(credential, { csrfToken: session.csrf_token, name: session.name });
  return credential;
}

export function producerOf(credential: Credential | undefined): ProducerCredential {
  if (credential?.kind !== 'producer') throw new ApiError('internal_error'); // access 'producer' lets no other in
  return credential;
}
