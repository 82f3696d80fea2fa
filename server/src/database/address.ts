// DATABASE_URL as hosts hand it out: what libpq means by it is what we do, where the driver would do something else.

import pg from 'pg';

/** What is wrong with an address, in words that hold nothing of it: it may contain a password. Undefined: nothing. */
export function findAddressProblem(url: string): string | undefined {
  if (!/^postgres(ql)?:\/\//.test(url)) return 'must start with postgres://.';
  const encode =
    'Characters such as @ : / ? # % in the user or the password must be percent-encoded: @ is %40, / is %2F, # is %23.';
  const parsed = parse(url);
  if ((!parsed && /^[^?]*,/.test(url)) || parsed?.searchParams.get('host')?.includes(','))
    return 'must name one host: the address that always leads to the primary.';
  if (!parsed) return `is not an address such as postgres://user:password@host:5432/name. ${encode}`;
  if (parsed.hash !== '' || (parsed.pathname + parsed.search).includes('@'))
    return `is cut in two by a character of its user or password. ${encode}`;
  if (badlyEncoded(parsed.username) || badlyEncoded(parsed.password))
    return `has a % that encodes nothing in its user or password. ${encode}`;
  const mode = parsed.searchParams.get('sslmode');
  if (mode !== null && !SSL_MODES.includes(mode))
    return `sslmode must be one of ${SSL_MODES.join(', ')}, not "${mode}".`;
  if (mode === 'verify-ca' && !parsed.searchParams.has('sslrootcert'))
    return 'sslmode=verify-ca needs the certificate of the authority: add sslrootcert=/path/to/ca.pem.';
  return undefined;
}

const SSL_MODES = ['disable', 'require', 'no-verify', 'verify-ca', 'verify-full'];

/**
 * The address for the driver. `sslmode=require` means to libpq, and to the hosts that hand it out, encryption without a
 * check of the certificate unless `sslrootcert` names an authority; the driver would check it against the public ones.
 */
export function forDriver(url: string): string {
  const query = parse(url)?.searchParams;
  let address = url;
  if (query?.get('sslrootcert') === 'system') address = address.replace(/([?&])sslrootcert=system(&|$)/, '$1');
  if (!query?.has('sslmode') || query.has('uselibpqcompat') || query.get('sslmode') === 'no-verify') return address;
  return `${address}&uselibpqcompat=true`;
}

/** Where the driver goes: a name or an address, or the folder of a socket, which begins with /. */
export const hostOf = (url: string): string => new pg.Client({ connectionString: forDriver(url) }).host;

/** As the driver does: a user without a host is one at a socket. */
function parse(url: string): URL | undefined {
  const text = [url, url.replace('@/', '@socket/')].find((each) => URL.canParse(each));
  return text === undefined ? undefined : new URL(text);
}

function badlyEncoded(part: string): boolean {
  try {
    decodeURIComponent(part);
    return false;
  } catch {
    return true;
  }
}
