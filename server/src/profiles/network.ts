// The network that a request came from, without the address: a keyed hash of its /24 (IPv4) or /48 (IPv6). Profiles keep it so
// that bursts of accidental ones are seen; it is the same for all who share the network and leads back to no one.

import ipaddr from 'ipaddr.js';
import type { Secrets } from '../secrets.ts';

const BYTES = 8;

/** Of `request.address`. Null where the address cannot be read, and for this very machine. */
export function hashNetwork(secrets: Secrets, applicationId: number, address: string): Buffer | null {
  const [bare = ''] = address.split('/'); // of IPv6 it is a /64
  if (!ipaddr.isValid(bare)) return null;
  const parsed = ipaddr.parse(bare);
  if (parsed.range() === 'loopback') return null;
  const kept = parsed.toByteArray().slice(0, parsed.kind() === 'ipv4' ? 3 : 6);
  return secrets.fingerprint(`network:${applicationId}`, kept.join('.')).subarray(0, BYTES);
}
