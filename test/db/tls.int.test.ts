/** PostgreSQL by TLS, as `sslmode=verify-full` in DATABASE_URL asks for it, against a real server. */
import { chownSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres } from '../../cluster/embedded-postgres.ts';
import type { EmbeddedServer } from '../../cluster/embedded-process.ts';
import { connect } from '../../src/db/client.ts';
import { silentLog } from '../../src/telemetry.ts';
import { selfSigned } from '../smsc/certificate.ts';
import { faultOf } from '../support/fault.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';

const folder = temporaryFolder();
const certificate = selfSigned(Date.now());
const [caFile, otherCaFile] = [join(folder, 'ca.pem'), join(folder, 'other.pem')];
let server: EmbeddedServer;

async function asOwner<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  writeFileSync(caFile, certificate.cert);
  writeFileSync(otherCaFile, selfSigned(Date.now()).cert);
  server = await startPostgres({ directory: join(folder, 'postgres'), fast: true });
});
afterAll(async () => {
  await server.stop();
  removeFolder(folder);
});

/** Gives the server its certificate; connections of from now on may be by TLS. */
async function enableTls(): Promise<void> {
  await asOwner(async (client) => {
    const { rows } = await client.query<{ data_directory: string }>('show data_directory');
    const data = rows[0]!.data_directory;
    const { uid, gid } = statSync(data);
    const [key, cert] = [join(data, 'test.key'), join(data, 'test.crt')];
    writeFileSync(key, certificate.key, { mode: 0o600 });
    writeFileSync(cert, certificate.cert);
    for (const path of [key, cert]) chownSync(path, uid, gid);
    for (const [name, value] of [
      ['ssl_key_file', 'test.key'],
      ['ssl_cert_file', 'test.crt'],
      ['ssl', 'on'],
    ])
      await client.query(`alter system set ${name} = '${value}'`);
    await client.query('select pg_reload_conf()');
    // The reload is a signal to the server: it is done when this session sees it.
    while ((await client.query<{ ssl: string }>('show ssl')).rows[0]?.ssl !== 'on');
  });
}

/** A pool of one connection, by `host` and with what the URL says beside it. */
function poolTo(host: string, query: Readonly<Record<string, string>>) {
  const url = new URL(server.url);
  url.hostname = host;
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return connect({ url: url.href, poolMax: 1, applicationName: 'test', statementTimeoutMs: 10_000, log: silentLog });
}

async function refusalOf(host: string, query: Readonly<Record<string, string>>): Promise<string> {
  const database = poolTo(host, query);
  const fault = await faultOf(database.ready());
  await database.close();
  expect(fault.code).toBe('postgres');
  return fault.cause instanceof Error ? fault.cause.message : '';
}

test('verify-full - a server without TLS, or with a certificate of another authority, is not talked to', async () => {
  const verified = { sslmode: 'verify-full', sslrootcert: caFile };
  expect(await refusalOf('localhost', verified)).toContain('does not support SSL');
  await enableTls();
  const database = poolTo('localhost', verified);
  const { rows } = await database.pool.query<{ ssl: boolean; version: string }>(
    'select ssl, version from pg_stat_ssl where pid = pg_backend_pid()',
  );
  await database.close();
  expect(rows).toEqual([{ ssl: true, version: 'TLSv1.3' }]);
  expect(await refusalOf('localhost', { ...verified, sslrootcert: otherCaFile })).toMatch(/certificate/);
  expect(await refusalOf('localhost', { sslmode: 'verify-full' })).toMatch(/certificate/);
});
