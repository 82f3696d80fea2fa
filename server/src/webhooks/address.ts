// Where webhooks may go. Whoever may save an address may choose one inside the network that this server stands in, so only
// public addresses are dialled. A name is judged by the addresses that it has at the moment of each connection, and exactly
// those are dialled: no second look-up can give another answer.

import { lookup as systemLookup, Resolver } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';

/** The addresses of a name. */
export type Resolve = (name: string) => Promise<string[]>;

/** The address is none that webhooks may go to. */
export class AddressRefused extends Error {}

/** Public in form, but answered by the platform that a virtual machine runs on. */
const METADATA = new Set(['168.63.129.16']);

const bare = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');

/** Public unicast. An IPv4 address in an IPv6 one counts as what it is. */
export function isPublic(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.process(text);
  if (address.range() !== 'unicast' || METADATA.has(address.toString())) return false;
  // Of IPv6, 2000::/3 is what has been given out; the rest has no range of its own in every table.
  return address.kind() === 'ipv4' || (address.toByteArray()[0] ?? 0) >> 5 === 1;
}

const RESOLVE_MS = 4_000;
const UNKNOWN_NAME = ['ENOTFOUND', 'ENODATA'];
/** The name server said no, or there is none: the system may know the name from a file. */
const ASK_THE_SYSTEM = [...UNKNOWN_NAME, 'ECONNREFUSED', 'ESERVFAIL'];

/**
 * Asks name servers without a thread for each question: a few names that nobody answers for would hold up all others.
 * What they do not know may stand in the system's own file.
 */
export const resolveName: Resolve = async (name) => {
  const resolver = new Resolver({ timeout: RESOLVE_MS / 2, tries: 2 });
  const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  const addresses = found.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  if (addresses.length > 0) return addresses;
  const codes = found.map((result) => codeOf(result.status === 'rejected' ? result.reason : undefined));
  if (!codes.every((code) => ASK_THE_SYSTEM.includes(code)))
    throw new Error(`The name ${name} could not be resolved in time.`);
  const others = await systemLookup(name, { all: true }).catch(() => []);
  if (others.length === 0) throw new Error(`The name ${name} does not exist.`);
  return others.map(({ address }) => address);
};

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');

/** The addresses of a host that may be dialled. Throws where there is none. */
export async function findPublicAddresses(host: string, resolve: Resolve): Promise<string[]> {
  const literal = bare(host);
  const addresses = isIP(literal) === 0 ? await resolve(literal) : [literal];
  const allowed = addresses.filter(isPublic);
  if (allowed.length > 0) return allowed;
  const what =
    isIP(literal) === 0
      ? `${literal} has no public address (${addresses.join(', ')})`
      : `${literal} is no public address`;
  throw new AddressRefused(`${what}: webhooks go to public addresses only.`);
}

export interface ConnectorOptions {
  allowPrivate: boolean;
  resolve: Resolve;
  timeoutMs: number;
}

/** Opens connections for undici, to addresses that were judged for this very connection. */
export function createConnector({ allowPrivate, resolve, timeoutMs }: ConnectorOptions): buildConnector.connector {
  const find = async (host: string): Promise<string[]> =>
    allowPrivate ? (isIP(bare(host)) === 0 ? resolve(bare(host)) : [bare(host)]) : findPublicAddresses(host, resolve);
  const lookup: LookupFunction = (host, options, done) => {
    find(host).then(
      (addresses) => {
        const all = addresses.map((address) => ({ address, family: isIP(address) }));
        if (options.all === true) done(null, all);
        else done(null, all[0]?.address ?? '', all[0]?.family ?? 4);
      },
      (error: unknown) => done(error as Error, ''), // whatever was thrown above
    );
  };
  const connect = buildConnector({ timeout: timeoutMs, lookup });
  return (options, callback) => {
    // A host that is an address is dialled without a look-up.
    const host = bare(options.hostname);
    if (!allowPrivate && isIP(host) !== 0 && !isPublic(host)) {
      callback(new AddressRefused(`${host} is no public address: webhooks go to public addresses only.`), null);
      return;
    }
    connect(options, (error, socket) => {
      if (!error && socket && !allowPrivate && !isPublic(socket.remoteAddress ?? '')) {
        socket.destroy();
        callback(new AddressRefused('The address that was dialled is not public.'), null);
      } else if (error) callback(error, null);
      else callback(null, socket);
    });
  };
}
