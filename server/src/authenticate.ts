// From an Authorization header, or else a producer's cookie, to a credential. A token that is no good is 401 everywhere
// but on public routes, which honour an admin token and ignore whatever else the header holds.

import type { FastifyRequest } from 'fastify';
import { findAdminToken, touchAdminToken } from './applications/application-store.ts';
import type { Context } from './context.ts';
import { ApiError } from './errors.ts';
import { readUuid } from './ids.ts';
import { formatInstant } from './instant.ts';
import { authenticateSession } from './producers/session.ts';
import { resolveClientToken } from './profiles/profile-service.ts';
import { findProfileByToken } from './profiles/profile-store.ts';
import { hashToken } from './secrets.ts';
import type { Credential } from './credential.ts';
import { ISSUER, claimedIssuer, verifyClientToken } from './credentials/token.ts';

const SCHEME = /^(?:bearer|token)(?: +(.*))?$/i;

export async function authenticate(context: Context, request: FastifyRequest): Promise<Credential | undefined> {
  const isPublic = request.routeOptions.config.access === 'public';
  const header = request.headers.authorization;
  if (header === undefined) return isPublic ? undefined : authenticateSession(context, request);
  const token = SCHEME.exec(header.trim())?.[1]?.trim() ?? '';
  // An admin token may have any form; only what names an issuer is taken for a JSON Web Token.
  const issuer = context.tokens.isKnown(token) ? ISSUER : isJwt(token) ? claimedIssuer(token) : undefined;
  if (isPublic) return token === '' || issuer !== undefined ? undefined : findAdmin(context, token);
  const credential =
    token === ''
      ? undefined
      : issuer === undefined
        ? await findAdmin(context, token)
        : await findProfile(context, token, issuer);
  if (!credential) throw new ApiError('authentication_failed');
  return credential;
}

const isJwt = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);

async function findAdmin(context: Context, token: string): Promise<Credential | undefined> {
  const now = formatInstant(context.clock.now());
  const row = await findAdminToken({ query: context.db.quick }, hashToken(token), now);
  if (!row) return undefined;
  if (row.stale) await touchAdminToken(context.db, row.id, now);
  const application = await context.applications.get(row.client_id);
  return { kind: 'admin', application, tokenId: row.id, name: row.name, readOnly: row.read_only };
}

async function findProfile(context: Context, token: string, issuer: string): Promise<Credential | undefined> {
  const now = context.clock.now();
  if (issuer === ISSUER) {
    const claims = context.tokens.verify(token, now);
    const [id, tokenId] = claims ? [readUuid(claims.id), readUuid(claims.jti)] : [];
    if (!claims || !id || !tokenId) return undefined;
    const application = await context.applications.find(claims.client_id);
    const profile = application && (await findProfileByToken({ query: context.db.quick }, application.id, id, tokenId));
    return application && profile && { kind: 'profile', application, profile };
  }
  let application = await context.applications.find(issuer);
  let claims = application && verifyClientToken(token, application.client_id, application.secrets, now);
  if (application && !claims) {
    // Perhaps another process rotated the secret a moment ago.
    application = await context.applications.findAgain(issuer);
    claims = application && verifyClientToken(token, application.client_id, application.secrets, now);
  }
  const profile = application && claims && (await resolveClientToken(context, application, claims));
  return application && profile && { kind: 'profile', application, profile };
}
