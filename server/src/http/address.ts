// Whose request it is, as far as the network can tell: which forwarded addresses are believed, and one spelling for each
// host. Every limit by address goes through here (`request.address`), and nothing else reads request.ip.

import ipaddr from 'ipaddr.js';
import type { TrustedProxies } from '../config.ts';

const MAX_OPAQUE = 64;
const HOST_BITS = 64;

/**
 * `1.2.3.4` of `1.2.3.4:5678` (Azure's form) and of `::ffff:1.2.3.4`; of IPv6 the /64 that a single host has to itself and may
 * take any address of. What is no address (`unknown`, `_hidden`) stands for itself.
 */
export function hostOf(text: string): string {
  const address = parse(text);
  if (!address) return text.trim().toLowerCase().slice(0, MAX_OPAQUE);
  if (address.kind() === 'ipv4' || address.range() === 'loopback') return address.toString();
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${HOST_BITS}`);
  return `${network.toString()}/${HOST_BITS}`;
}

function parse(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const bare = text
    .trim()
    .replace(/^\[([^\]]*)\](:\d+)?$/, '$1')
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
    .replace(/%.*$/, '');
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined;
}

/** Whether what a hop says of the next one is believed. Hop 0 is the one that connected. */
export function trusts(proxies: TrustedProxies): (address: string, hop: number) => boolean {
  if (proxies === false) return () => false;
  if (typeof proxies === 'number') return (_, hop) => hop < proxies;
  const ranges = proxies.map((proxy) => ipaddr.parseCIDR(proxy));
  return (text) => {
    const address = parse(text);
    return address !== undefined && ranges.some((range) => isWithin(address, range));
  };
}

/** A range of ::ffff:… is one of IPv4 addresses. */
function isWithin(address: ipaddr.IPv4 | ipaddr.IPv6, [base, bits]: [ipaddr.IPv4 | ipaddr.IPv6, number]): boolean {
  if (address.kind() === base.kind()) return address.match(base, bits);
  return address instanceof ipaddr.IPv4 && address.toIPv4MappedAddress().match(base, bits);
}
