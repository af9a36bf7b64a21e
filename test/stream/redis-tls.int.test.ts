/** TLS to a real Redis: verified against the authority that is given, and refused without. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connectRedis } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { freePort } from '../faults/redis-cluster.ts';
import { redisServer } from '../faults/servers.ts';
import { selfSigned } from '../smsc/certificate.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';

test('tls - a server of our authority is taken, one of another is not', async () => {
  const folder = temporaryFolder();
  const { key, cert } = selfSigned(Date.now());
  const secrets = join(folder, 'tls');
  mkdirSync(secrets, { mode: 0o755 });
  const [keyFile, certFile] = [join(secrets, 'key.pem'), join(secrets, 'cert.pem')];
  writeFileSync(keyFile, key);
  writeFileSync(certFile, cert);
  const port = await freePort();
  const server = await redisServer(folder, 'redis', () => ({
    'tls-port': port,
    'tls-key-file': keyFile,
    'tls-cert-file': certFile,
    'tls-ca-cert-file': certFile,
    'tls-auth-clients': 'no',
  }));
  try {
    const url = `rediss://localhost:${port}`;
    const redis = await connectRedis({ url, ca: cert }, 'command', silentLog);
    expect(await redis.ping()).toBe('PONG');
    redis.disconnect();
    await expect(connectRedis({ url }, 'command', silentLog)).rejects.toMatchObject({ code: 'redis' });
    const other = selfSigned(Date.now()).cert;
    await expect(connectRedis({ url, ca: other }, 'command', silentLog)).rejects.toMatchObject({ code: 'redis' });
  } finally {
    await server.kill();
    removeFolder(folder);
  }
});
