// Tokens as a customer’s back end would make them, with jose rather than with our own code.

import { SignJWT, type JWTPayload } from 'jose';
import type { Instant } from '../instant.ts';
import { CLIENT_ID, CLIENT_SECRET } from '../testing/server.ts';

const SECOND = 1_000_000;

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export interface SignOptions {
  secret?: string | Uint8Array;
  alg?: string;
  iss?: string;
  iat?: number | null;
}

/** A client-signed token of the test application, unless told otherwise. */
export async function signClientToken(now: Instant, claims: JWTPayload, options: SignOptions = {}): Promise<string> {
  const { secret = CLIENT_SECRET, alg = 'HS256', iss = CLIENT_ID, iat = Math.floor(now / SECOND) } = options;
  const key = typeof secret === 'string' ? bytes(secret) : secret;
  return new SignJWT({ iss, ...(iat !== null && { iat }), ...claims })
    .setProtectedHeader({ alg, typ: 'JWT' })
    .sign(key);
}

/** A token with this header and these claims and whatever stands for its signature. */
export function forge(header: object, claims: object, signature = ''): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(claims)}.${signature}`;
}

export const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>; // our tokens hold objects
