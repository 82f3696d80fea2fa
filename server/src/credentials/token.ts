// JSON Web Tokens: the profile access tokens that we sign, and the ones that applications sign with their client secret.
// HS256 and nothing else; the signature is checked first, times against our clock afterwards.

import { createDecoder, createSigner, createVerifier } from 'fast-jwt';
import { UNREACHABLE, isReachable } from '../ids.ts';
import { formatInstant, type Instant } from '../instant.ts';

/** Not a client id: those have no colon. */
export const ISSUER = 'grandstand:profile';
/** What we sign ourselves needs no explanation: no other party makes it. */
const NOT_OURS = 'The access token is not valid: this server did not sign it.';

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
  expiresAt: Instant | null;
}

/** What a token says, or why it is refused. */
export type Verdict<Claims> = { claims: Claims } | { problem: string };

export interface ProfileTokens {
  sign(claims: { clientId: string; profileId: string; tokenId: string; now: Instant }): string;
  verify(token: string, now: Instant): Verdict<ProfileTokenClaims>;
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
    const claims = verifier(token);
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
      if (!claims) return { problem: NOT_OURS };
      const problem = timeProblem(claims, now);
      return problem === undefined ? { claims } : { problem };
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

const clientVerifiers = new Map<string, Verifier>();
function clientVerifier(secret: string): Verifier {
  let verifier = clientVerifiers.get(secret);
  if (!verifier) {
    if (clientVerifiers.size > 1000) clientVerifiers.clear();
    verifier = hs256(secret, 10_000);
    clientVerifiers.set(secret, verifier);
  }
  return verifier;
}

/**
 * The claims of a token signed with one of the application's secrets, or what the application's developers have to mend.
 * `isForged`: the signature is not of these secrets, so nothing of what the token says was looked at.
 */
export function verifyClientToken(
  token: string,
  clientId: string,
  secrets: string[],
  now: Instant,
): Verdict<ClientTokenClaims> & { isForged?: true } {
  let claims: Claims | undefined;
  for (const secret of secrets) claims ??= clientVerifier(secret)(token);
  if (!claims || claims['iss'] !== clientId) return { problem: signatureProblem(token, clientId), isForged: true };
  const { custom_profile_id: customProfileId, nickname, iat, exp } = claims;
  const problem = timeProblem(claims, now) ?? customIdProblem(customProfileId);
  if (problem !== undefined) return { problem };
  // A nickname that is none is ignored, like any claim that is not ours: the token is good all the same.
  const usable = typeof nickname === 'string' && nickname.isWellFormed() ? nickname : undefined;
  return {
    claims: {
      customProfileId: customProfileId as string, // or there was a problem
      nickname: usable,
      issuedAt: Number(iat) * SECOND,
      expiresAt: typeof exp === 'number' ? exp * SECOND : null,
    },
  };
}

const decodeHeader = createDecoder({ complete: true });

function signatureProblem(token: string, clientId: string): string {
  const header = attempt(() => (decodeHeader(token) as { header: unknown }).header); // what `complete` gives
  if (!header) return 'The token cannot be read: its header is not JSON.';
  if (header['alg'] !== 'HS256')
    return `The token must be signed with HS256; its header says ${quote(header['alg'] ?? 'nothing')}.`;
  return `The signature of the token was not made with the client secret of the application '${clientId}', as it stands: its text, not decoded.`;
}

/** No more of what was sent than a message can bear, and nothing that it could not be printed with. */
export const quote = (value: unknown): string =>
  `'${(typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).slice(0, 64).replace(/[^\x20-\x7e]/g, '?')}'`;

const MAX_CUSTOM_ID = 255;

function customIdProblem(sent: unknown): string | undefined {
  if (sent === undefined) return 'The claim custom_profile_id is required.';
  if (typeof sent !== 'string' || sent.length === 0 || [...sent].length > MAX_CUSTOM_ID)
    return `The claim custom_profile_id must be a string of 1 to ${MAX_CUSTOM_ID} characters.`;
  if (sent.includes('\0') || !sent.isWellFormed())
    return 'The claim custom_profile_id must be well-formed text without NUL.';
  return isReachable(sent) ? undefined : `The claim custom_profile_id is ${quote(sent)}. ${UNREACHABLE}`;
}

type Claims = Record<string, unknown>;
type Verifier = (token: string) => Claims | undefined;

/** 32 bytes in the one way in which base64url writes them: the last character's two lowest bits stand for nothing. */
const SIGNATURE = /\.[\w-]{42}[AEIMQUYcgkosw048]$/;

function hs256(key: string, cache: number | false): Verifier {
  // Times are ours to judge, with our clock; a cached verdict is about the signature alone.
  const verify = createVerifier({
    key,
    algorithms: ['HS256'],
    cache,
    cacheTTL: 600_000,
    ignoreExpiration: true,
    ignoreNotBefore: true,
  });
  return (token) => (SIGNATURE.test(token) ? attempt(() => verify(token) as unknown) : undefined);
}

function timeProblem({ iat, exp }: { iat?: unknown; exp?: unknown }, now: Instant): string | undefined {
  if (typeof iat !== 'number' || !Number.isFinite(iat)) return `The claim iat must be a number: ${SECONDS}.`;
  if (iat * SECOND > now + LEEWAY) {
    return isMilliseconds(iat, now)
      ? `The claim iat must be ${SECONDS}; ${iat} looks like milliseconds.`
      : `The claim iat is more than 5 minutes ahead of this server, whose time is ${formatInstant(now)}.`;
  }
  if (exp === undefined) return undefined;
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return `The claim exp must be a number: ${SECONDS}.`;
  if (exp * SECOND > now) return undefined;
  return `The token expired: its claim exp is ${exp}, and this server’s time is ${formatInstant(now)}.`;
}

const SECONDS = 'seconds since 1970';
const YEAR = 366 * 86_400 * SECOND;
const isMilliseconds = (iat: number, now: Instant): boolean => Math.abs(iat * 1000 - now) < YEAR;

function attempt(work: () => unknown): Claims | undefined {
  try {
    const claims = work();
    return typeof claims === 'object' && claims !== null ? (claims as Claims) : undefined; // JSON objects have string keys
  } catch {
    return undefined;
  }
}
