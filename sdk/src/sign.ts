// Tokens that an application's back end signs for its own accounts: an account's first use of one makes its profile.

export interface ProfileTokenClaims {
  clientId: string;
  /** 32 characters or more; never give it to a browser. */
  clientSecret: string;
  /** Your own id of the fan, 1 to 255 characters. */
  customProfileId: string;
  /** Seconds until the token dies. Default: it does not. */
  expiresIn?: number;
  /** Of the profile, if this token's first use makes it. */
  nickname?: string;
}

const MIN_SECRET = 32;

/**
 * Signs an access token (JWT, HS256) for the profile of one of your accounts. Pass it to `init({ accessToken })`.
 *
 * @throws TypeError if the secret is too short or the custom id is empty
 */
export async function signProfileToken(claims: ProfileTokenClaims): Promise<string> {
  const { clientId, clientSecret, customProfileId, expiresIn, nickname } = claims;
  if (clientSecret.length < MIN_SECRET) throw new TypeError(`clientSecret must have ${MIN_SECRET} characters or more.`);
  if (customProfileId.length === 0) throw new TypeError('customProfileId must not be empty.');
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: clientId,
    iat: now,
    custom_profile_id: customProfileId,
    ...(expiresIn !== undefined && { exp: now + Math.floor(expiresIn) }),
    ...(nickname !== undefined && { nickname }),
  };
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(payload)}`;
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', new TextEncoder().encode(clientSecret), algorithm, false, ['sign']);
  return `${text}.${base64url(new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(text))))}`;
}

const encode = (value: unknown): string => base64url(new TextEncoder().encode(JSON.stringify(value)));

function base64url(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}
