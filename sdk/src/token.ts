// What an access token says about itself. Nothing here is verified: the server does that.

/** The client id that a token was made for, or undefined: opaque tokens say nothing. */
export function clientIdOf(token: string): string | undefined {
  try {
    const payload = token.split('.')[1] ?? '';
    const claims = JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/'))) as Record<string, unknown>; // what is no object throws or has no claims
    // Tokens that the server signed name the application; those that the application signed are issued by it.
    const clientId = claims['client_id'] ?? claims['iss'];
    return typeof clientId === 'string' ? clientId : undefined;
  } catch {
    return undefined;
  }
}

/** 32 random hexadecimal digits: 128 bits where there is a source of randomness. */
export function randomId(): string {
  // React Native has no crypto object unless a polyfill brings one.
  const source = globalThis.crypto as Crypto | undefined;
  const bytes =
    source?.getRandomValues(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.trunc(Math.random() * 256));
  return Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join('');
}
