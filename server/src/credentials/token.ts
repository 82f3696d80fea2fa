// JSON Web Tokens: the profile access tokens that we sign, and the ones that applications sign with their client secret.
// HS256 and nothing else; the signature is checked first, times against our clock afterwards.

import { createDecoder, createSigner, createVerifier } from 'fast-jwt';
import type { Instant } from '../instant.ts';

/** Not a client id: those have no colon. */
export const ISSUER = 'grandstand:profile';
const SECOND = 1_000_000;
const LEEWAY = 300 * SECOND;

export interface ProfileTokenClaims {
  iss: string;
  iat: number;
  client_id: string;
  id: string;
  jti: string;
  exp?: unknown;
}

export interface ClientTokenClaims {
  customProfileId: string;
  nickname: string | undefined;
  issuedAt: Instant;
}

export interface ProfileTokens {
  sign(claims: { clientId: string; profileId: string; tokenId: string; now: Instant }): string;
  /** The claims of a token that we signed, or undefined. */
  verify(token: string, now: Instant): ProfileTokenClaims | undefined;
  /** Whether `verify` found it good before. Says nothing of the time. */
  isKnown(token: string): boolean;
}

/** Tokens that were found good, with their claims: each costs as much as the whole of an ordinary answer to verify. */
const MAX_KNOWN = 10_000;

export function profileTokens(key: string): ProfileTokens {
  const signer = createSigner({ key, algorithm: 'HS256' });
  const verifier = hs256(key, false);
  const known = new Map<string, ProfileTokenClaims>();
  const verifyAnew = (token: string): ProfileTokenClaims | undefined => {
    const claims = attempt(() => verifier(token));
    if (!claims || claims['iss'] !== ISSUER) return undefined;
    const { iat, client_id, id, jti } = claims;
    if (typeof iat !== 'number' || typeof client_id !== 'string' || typeof id !== 'string' || typeof jti !== 'string')
      return undefined;
    const good: ProfileTokenClaims = { iss: ISSUER, iat, client_id, id, jti };
    if ('exp' in claims) good.exp = claims['exp']; // ours have none
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(token, good);
    return good;
  };
  return {
    sign: ({ clientId, profileId, tokenId, now }) =>
      signer({ iss: ISSUER, iat: Math.floor(now / SECOND), client_id: clientId, id: profileId, jti: tokenId }),
    verify(token, now) {
      const claims = known.get(token) ?? verifyAnew(token);
      return claims && isTimely(claims, now) ? claims : undefined;
    },
    isKnown: (token) => known.has(token),
  };
}

const decode = createDecoder({ complete: false });

/** The issuer that a token claims, unverified: it only says which key to try. */
export function claimedIssuer(token: string): string | undefined {
  const claims = attempt(() => decode(token));
  const issuer = claims?.['iss'];
  return typeof issuer === 'string' ? issuer : undefined;
}

const clientVerifiers = new Map<string, (token: string) => Claims>();

function clientVerifier(secret: string): (token: string) => Claims {
  let verifier = clientVerifiers.get(secret);
  if (!verifier) {
    if (clientVerifiers.size > 1000) clientVerifiers.clear();
    verifier = hs256(secret, 10_000);
    clientVerifiers.set(secret, verifier);
  }
  return verifier;
}

/** The claims of a token signed with one of the application's secrets, or undefined. */
export function verifyClientToken(
  token: string,
  clientId: string,
  secrets: string[],
  now: Instant,
): ClientTokenClaims | undefined {
  for (const secret of secrets) {
    const claims = attempt(() => clientVerifier(secret)(token));
    if (!claims || claims['iss'] !== clientId || !isTimely(claims, now)) continue;
    const { custom_profile_id: customProfileId, nickname } = claims;
    if (typeof customProfileId !== 'string' || !isStorable(customProfileId)) return undefined;
    // A nickname that is none is ignored, like any claim that is not ours: the token is good all the same.
    const usable = typeof nickname === 'string' && nickname.isWellFormed() ? nickname : undefined;
    return { customProfileId, nickname: usable, issuedAt: Number(claims['iat']) * SECOND };
  }
  return undefined;
}

const MAX_CUSTOM_ID = 255;

function isStorable(text: string): boolean {
  return text.length > 0 && [...text].length <= MAX_CUSTOM_ID && !text.includes('\0') && text.isWellFormed();
}

type Claims = Record<string, unknown>;

function hs256(key: string, cache: number | false): (token: string) => Claims {
  // Times are ours to judge, with our clock; a cached verdict is about the signature alone.
  return createVerifier({
    key,
    algorithms: ['HS256'],
    cache,
    cacheTTL: 600_000,
    ignoreExpiration: true,
    ignoreNotBefore: true,
  });
}

function isTimely({ iat, exp }: { iat?: unknown; exp?: unknown }, now: Instant): boolean {
  if (typeof iat !== 'number' || !Number.isFinite(iat) || iat * SECOND > now + LEEWAY) return false;
  if (exp === undefined) return true;
  return typeof exp === 'number' && Number.isFinite(exp) && exp * SECOND > now;
}

function attempt(work: () => unknown): Claims | undefined {
  try {
    const claims = work();
    return typeof claims === 'object' && claims !== null ? (claims as Claims) : undefined; // JSON objects have string keys
  } catch {
    return undefined;
  }
}
