// The profile that an anonymous id of a source stands for. Its id is made from the two by a keyed hash: so nothing needs to be
// looked up or kept, requests that race agree, and nobody can tell it from outside.

import type { Secrets } from '../secrets.ts';

export function anonymousProfileId(
  secrets: Pick<Secrets, 'fingerprint'>,
  sourceId: string,
  anonymousId: string,
): string {
  const bytes = secrets.fingerprint(`anonymous:${sourceId}`, anonymousId).subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80; // a UUID of version 8: made in a way of its own
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
