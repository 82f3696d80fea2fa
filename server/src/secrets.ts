// Keys derived from SECRET_KEY, one per purpose, and the few things done with them.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  randomInt,
  timingSafeEqual,
} from 'node:crypto';

export interface Secrets {
  /** Signs profile access tokens. */
  readonly tokenKey: string;
  encrypt(plain: string): Buffer;
  decrypt(sealed: Buffer): string;
  /** A keyed hash: equal inputs are found again, the input is not. */
  fingerprint(purpose: string, text: string): Buffer;
}

export function deriveSecrets(secretKey: string): Secrets {
  const derive = (purpose: string): Buffer => Buffer.from(hkdfSync('sha256', secretKey, 'grandstand', purpose, 32));
  const encryptionKey = derive('encryption');
  const fingerprintKey = derive('fingerprint');
  return {
    tokenKey: derive('profile-tokens').toString('base64url'),
    encrypt: (plain) => seal(encryptionKey, plain),
    decrypt: (sealed) => unseal(encryptionKey, sealed),
    fingerprint: (purpose, text) =>
      createHmac('sha256', fingerprintKey).update(purpose).update('\0').update(text).digest(),
  };
}

const NONCE = 12;
const TAG = 16;

/** AES-256-GCM; nonce, tag, text. */
export function seal(key: Buffer, plain: string): Buffer {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

export function unseal(key: Buffer, sealed: Buffer): string {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE));
  decipher.setAuthTag(sealed.subarray(NONCE, NONCE + TAG));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE + TAG)), decipher.final()]).toString('utf8');
}

/** Opaque tokens have 256 random bits, so one plain hash is enough. */
export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest();

export function sameText(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Random characters of A–Z, a–z, 0–9. */
export function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}
