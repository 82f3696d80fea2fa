// From an Authorization header, or else a producer's cookie, to a credential. A token that is no good is 401 everywhere
// but on public routes, which honour an admin token and ignore whatever else the header holds.

import type { FastifyRequest } from 'fastify';
import { findAdminToken, findDeadAdminToken, touchAdminToken } from './applications/application-store.ts';
import type { Context } from './context.ts';
import { ApiError } from './errors.ts';
import { readUuid } from './ids.ts';
import { formatInstant, type Instant } from './instant.ts';
import { authenticateSession } from './producers/session.ts';
import { resolveClientToken } from './profiles/profile-service.ts';
import { orItsTarget } from './profiles/alias-store.ts';
import { findForeignToken, findProfileByToken } from './profiles/profile-store.ts';
import { hashToken } from './secrets.ts';
import type { Credential, ProfileCredential } from './credential.ts';
import { ISSUER, claimedIssuer, quote, verifyClientToken } from './credentials/token.ts';

const SCHEME = /^(?:bearer|token)(?: +(.*))?$/i;

export async function authenticate(context: Context, request: FastifyRequest): Promise<Credential | undefined> {
  const isPublic = request.routeOptions.config.access === 'public';
  const header = request.headers.authorization;
  if (header === undefined) return isPublic ? undefined : authenticateSession(context, request);
  const token = SCHEME.exec(header.trim())?.[1]?.trim() ?? '';
  // An admin token may have any form; only what names an issuer is taken for a JSON Web Token.
  const issuer = context.tokens.isKnown(token) ? ISSUER : isJwt(token) ? claimedIssuer(token) : undefined;
  if (isPublic) return token === '' || issuer !== undefined ? undefined : findAdmin(context, token);
  if (token === '') throw refused('The Authorization header holds no token: send `Bearer <token>`.');
  try {
    return await (issuer === undefined ? getAdmin(context, token) : getProfile(context, token, issuer));
  } catch (error) {
    // Whatever it looks like: another system may have made it, for a profile that was taken over from there.
    const foreign = error instanceof ApiError && error.status === 401 ? await findForeign(context, token) : undefined;
    if (foreign) return foreign;
    throw error;
  }
}

async function findForeign(context: Context, token: string): Promise<ProfileCredential | undefined> {
  const db = { query: context.db.quick };
  const row = await findForeignToken(db, hashToken(token));
  if (!row) return undefined;
  const profile = await orItsTarget(db, row.profile_id, (current) =>
    findProfileByToken(db, row.application_id, current, row.token_id),
  );
  if (!profile) return undefined;
  const application = await context.applications.getById(row.application_id);
  return { kind: 'profile', application, profile, token: { id: row.token_id } };
}

/** 401, with the reason for those who build upon us. */
const refused = (detail?: string): ApiError =>
  new ApiError('authentication_failed', {
    ...(detail !== undefined && { detail }),
    headers: { 'www-authenticate': 'Bearer realm="grandstand", error="invalid_token"' },
  });

const isJwt = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);

async function findAdmin(context: Context, token: string): Promise<Credential | undefined> {
  const now = formatInstant(context.clock.now());
  const row = await findAdminToken({ query: context.db.quick }, hashToken(token), now);
  if (!row) return undefined;
  if (row.stale) await touchAdminToken(context.db, row.id, now);
  const application = await context.applications.get(row.client_id);
  return {
    kind: 'admin',
    application,
    tokenId: row.id,
    name: row.name,
    readOnly: row.read_only,
    expiresAt: row.expires_at,
    madeBy: row.made_by,
  };
}

async function getAdmin(context: Context, token: string): Promise<Credential> {
  const credential = await findAdmin(context, token);
  if (credential) return credential;
  const dead = await findDeadAdminToken({ query: context.db.quick }, hashToken(token));
  if (dead?.revoked_at != null) throw refused(`The access token was revoked at ${formatInstant(dead.revoked_at)}.`);
  if (dead?.maker_revoked_at != null) {
    const at = formatInstant(dead.maker_revoked_at);
    throw refused(`The access token was revoked at ${at}, with the token that made it.`);
  }
  if (dead?.expires_at != null) throw refused(`The access token expired at ${formatInstant(dead.expires_at)}.`);
  throw refused(
    isJwt(token)
      ? 'The token names no issuer (iss): a client-signed one names its application’s client id.'
      : undefined,
  );
}

/** The credential that a profile's token is, however it came here; 401 where it is none. */
export async function authenticateProfile(context: Context, token: string): Promise<ProfileCredential> {
  const issuer = context.tokens.isKnown(token) ? ISSUER : isJwt(token) ? claimedIssuer(token) : undefined;
  if (issuer === undefined) throw refused('This is no access token of a profile.');
  return getProfile(context, token, issuer);
}

async function getProfile(context: Context, token: string, issuer: string): Promise<ProfileCredential> {
  const now = context.clock.now();
  if (issuer !== ISSUER) return getClientSigned(context, token, issuer, now);
  const verdict = context.tokens.verify(token, now);
  if ('problem' in verdict) throw refused(verdict.problem);
  const { claims } = verdict;
  const [id, tokenId] = [readUuid(claims.id), readUuid(claims.jti)];
  const application = await context.applications.find(claims.client_id);
  const db = { query: context.db.quick };
  const profile =
    application &&
    id &&
    tokenId &&
    (await orItsTarget(db, id, (current) => findProfileByToken(db, application.id, current, tokenId)));
  if (!application || !profile || !tokenId) throw refused('The access token was revoked, or its profile erased.');
  return { kind: 'profile', application, profile, token: { id: tokenId } };
}

async function getClientSigned(
  context: Context,
  token: string,
  issuer: string,
  now: Instant,
): Promise<ProfileCredential> {
  let application = await context.applications.find(issuer);
  if (!application)
    throw refused(`The token names ${quote(issuer)} as its issuer (iss), and no application has that client id.`);
  let verdict = verifyClientToken(token, application.client_id, application.secrets, now);
  if (verdict.isForged) {
    // Perhaps another process rotated the secret a moment ago.
    application = (await context.applications.findAgain(issuer)) ?? application;
    verdict = verifyClientToken(token, application.client_id, application.secrets, now);
  }
  if ('problem' in verdict) throw refused(verdict.problem);
  const resolved = await resolveClientToken(context, application, verdict.claims);
  if ('problem' in resolved) throw refused(resolved.problem);
  return { kind: 'profile', application, profile: resolved.profile, token: verdict.claims };
}
