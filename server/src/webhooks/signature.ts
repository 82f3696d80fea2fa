// Signatures as the Standard Webhooks specification describes them: https://www.standardwebhooks.com

import { createHmac, randomBytes } from 'node:crypto';
import { MICROS_PER_SECOND, type Instant } from '../instant.ts';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

export const createSecret = (): string => PREFIX + randomBytes(SECRET_BYTES).toString('base64');

/** The headers of one attempt. Signed with each of the secrets: while one is rotated there are two. */
export function sign(id: string, body: string, secrets: readonly string[], now: Instant): Record<string, string> {
  const timestamp = String(Math.floor(now / MICROS_PER_SECOND));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
