// What an access token says about itself. Nothing here is verified: the server does that.

/** The client id that a token was made for, or undefined: opaque tokens say nothing. */
export function clientIdOf(token: string): string | undefined {
  try {
    const payload = token.split('.')[1] ?? '';
    const claims = JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/'))) as Record<string, unknown>; // anything but an object throws or has no claims
    // Tokens that the server signed name the application; those that the application signed are issued by it.
    const clientId = claims['client_id'] ?? claims['iss'];
    return typeof clientId === 'string' ? clientId : undefined;
  } catch {
    return undefined;
  }
}

const DIGITS = '0123456789abcdef';

/** 32 random hexadecimal digits: 128 bits where there is a source of randomness. */
export function randomId(): string {
  const bytes = new Uint8Array(16);
  // React Native has no crypto object unless a polyfill brings one.
  const source = globalThis.crypto as Crypto | undefined;
  if (source) source.getRandomValues(bytes);
  else for (let i = 0; i < 16; i++) bytes[i] = Math.random() * 256;
  let id = '';
  for (const byte of bytes) id += DIGITS.charAt(byte >> 4) + DIGITS.charAt(byte & 15);
  return id;
}
