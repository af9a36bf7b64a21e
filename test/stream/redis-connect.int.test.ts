/** Connections that cannot be made: who fails fast is told why within a bounded time, and nobody is led astray. */
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isFault } from '../../src/fault.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { type Log, silentLog } from '../../src/telemetry.ts';
import { redisServer, sentinelServer } from '../faults/servers.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { testDatabases, testRedis } from '../support/redis.ts';

const folder = temporaryFolder();
const held = new Set<Socket>();
/** Takes connections, and never says a word. */
let silent: Server;
let silentAt: string;

beforeAll(async () => {
  silent = createServer((socket) => held.add(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  silentAt = `127.0.0.1:${(silent.address() as { port: number }).port}`;
});
afterAll(async () => {
  for (const socket of held) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
  removeFolder(folder);
});

/** What a person is told, with what is behind it. */
async function toldBy(url: string): Promise<string> {
  const fault = await connectRedis(url, 'publishing', silentLog).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!isFault(fault, 'redis')) throw new Error('no fault');
  return `${fault.message}: ${fault.cause instanceof Error ? fault.cause.message : ''}`;
}

/** Whoever waits through an outage says that it does, and is told once the server is gone. */
async function waiting(): Promise<void> {
  const lines: unknown[] = [];
  let connection: Socket | undefined;
  const server = createServer((socket) => (connection = socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const log: Log = {
    ...silentLog,
    warn: (event, fields) => {
      lines.push([event, fields]);
      if (event === 'redis.waiting') connection?.destroy();
    },
  };
  const url = `redis://127.0.0.1:${(server.address() as { port: number }).port}`;
  await expect(connectRedis(url, 'command', log)).rejects.toMatchObject({ code: 'redis' });
  expect(lines).toContainEqual(['redis.waiting', { connection: 'command' }]);
  await new Promise((resolve) => server.close(resolve));
}

test('connect - why it cannot be is told, with the variable, and no secret', { timeout: 60_000 }, async () => {
  const { url } = await testRedis();
  const { host } = new URL(url);
  const cases: readonly [url: string, reason: string][] = [
    ['redis://:s3cret@127.0.0.1:1', 'connect ECONNREFUSED 127.0.0.1:1'],
    [`redis://nobody:s3cret@${host}`, 'WRONGPASS'],
    [`redis://:s3cret@${silentAt}`, 'it said nothing for 10 s'],
    [`rediss://:s3cret@${host}`, 'which is by TLS'],
    [`redis+cluster://${host}`, 'cluster support disabled'],
    [`redis+sentinel://:s3cret@127.0.0.1:1/tocsin`, 'failed to connect to sentinel 127.0.0.1:1'],
    // It would go on in the first one.
    [`redis://${host}/${testDatabases}`, 'DB index is out of range'],
  ];
  const [told] = await Promise.all([Promise.all(cases.map(([wrong]) => toldBy(wrong))), waiting()]);
  cases.forEach(([, reason], at) => {
    expect(told[at]).toContain('check REDIS_URL');
    expect(told[at]).toContain(reason);
    expect(told[at]).not.toContain('s3cret');
  });
});

test('connect - a Sentinel that stands still is left for the next one', { timeout: 60_000 }, async () => {
  const server = await redisServer(folder);
  const lines = [`sentinel monitor tocsin 127.0.0.1 ${server.port} 1`];
  const sentinel = await sentinelServer(folder, 'sentinel', lines);
  const url = `redis+sentinel://${silentAt},127.0.0.1:${sentinel.port}/tocsin`;
  const redis = await connectRedis(url, 'command', silentLog);
  expect(await redis.ping()).toBe('PONG');
  redis.disconnect();
  await sentinel.stop();
  await server.stop();
});
