/**
 * How a link proves whom it talks to by TLS: the carrier's certificate must be of a trusted authority and of its name,
 * and where a fingerprint is pinned be that very certificate. There is no way to turn any of it off. Files are read
 * at each attempt, so that a renewed certificate needs no restart. Worker, main thread.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions, type PeerCertificate } from 'node:tls';

/** TLS to a carrier. */
export type TlsSettings = {
  /** PEM file of the authority to trust instead of the system's. */
  readonly caFile?: string | undefined;
  /** Name expected in the certificate when it is not the host. */
  readonly serverName?: string | undefined;
  /** SHA-256 of the certificate, hexadecimal; colons and case do not matter. */
  readonly fingerprint?: string | undefined;
  /** PEM files of the certificate and key that we show. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
};

/** Options of `tls.connect`. Throws when a file cannot be read. */
export function tlsOptions(host: string, settings: TlsSettings): ConnectionOptions {
  const { caFile, certFile, keyFile, fingerprint } = settings;
  const name = settings.serverName ?? host;
  return {
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    // RFC 6066 §3 has no addresses in server_name; without one the certificate is checked against the host.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
    ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
    checkServerIdentity: (expected, certificate) =>
      checkServerIdentity(expected, certificate) ?? checkFingerprint(fingerprint, certificate),
  };
}

function checkFingerprint(pinned: string | undefined, { fingerprint256 }: PeerCertificate): Error | undefined {
  if (pinned === undefined || plain(pinned) === plain(fingerprint256)) return undefined;
  return new Error('the certificate is not the one whose fingerprint is pinned');
}

function plain(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase();
}
