/**
 * Whether a connection to PostgreSQL is one that nobody on the way can read or change: by TLS with a server that proves
 * its name, or one that never leaves this machine. Pure.
 */

import { isIP } from 'node:net';

/** Why the connection that `url` describes cannot be trusted; undefined when it can. Holds no part of the URL. */
export function untrustedDatabase(url: string): string | undefined {
  const { hostname, searchParams } = new URL(url);
  const host = decodeURIComponent(searchParams.get('host') ?? hostname);
  const mode = searchParams.get('sslmode');
  // A fact of the driver: these two would weaken verify-full behind our back.
  if (searchParams.has('ssl') || searchParams.get('uselibpqcompat') === 'true')
    return 'takes sslmode alone, without ssl and uselibpqcompat';
  if (isThisMachine(host)) return undefined;
  if (mode === 'verify-full')
    // Another fact of the driver: it compares the certificate with `localhost` then.
    return isIP(host.replace(/^\[|\]$/g, '')) === 0 ? undefined : 'must be named, since its certificate is of a name';
  return mode === 'no-verify'
    ? 'is on another machine, which sslmode=no-verify lets anybody pretend to be'
    : 'is on another machine, so it needs sslmode=verify-full';
}

/** A loopback address, or the folder of a socket. */
function isThisMachine(host: string): boolean {
  return host === '' || host.startsWith('/') || /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
