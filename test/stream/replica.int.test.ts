/** Waiting for a replica, on two real Redis servers and a line between them that can be cut. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { Producer } from '../../src/stream/producer.ts';
import { StreamRecordSource } from '../../src/stream/record-source.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { Replicas } from '../../src/stream/replica.ts';
import { silentLog } from '../../src/telemetry.ts';
import { Proxy as Line } from '../faults/proxy.ts';
import { HandClock } from '../support/hand-clock.ts';
import { testBatches, testContent } from '../support/lines.ts';
import { type OwnServer, ownRedis } from '../support/own-server.ts';

let servers: OwnServer[];
let line: Line;
let primary: RedisConnection;
let replica: RedisConnection;

beforeAll(async () => {
  servers = [await ownRedis(), await ownRedis()];
  const [first, second] = servers as [OwnServer, OwnServer];
  line = await Line.open(Number(new URL(first.url).port));
  primary = await connectRedis(first.url, 'command', silentLog);
  replica = await connectRedis(second.url, 'command', silentLog);
});
afterAll(async () => {
  primary.disconnect();
  replica.disconnect();
  await line.close();
  for (const server of servers) await server.dispose();
});

test('replica - none is waited for where there is none, and one that comes is, unless it does not answer', async () => {
  const clock = new HandClock();
  const replicas = new Replicas(primary, '{key}', clock, silentLog);
  const written = (value: string | number) => replicas.reached(() => primary.set('key', value));
  await written('1');

  await replica.replicaof('127.0.0.1', line.port);
  while (!/master_link_status:up/.test(await replica.info('replication')));
  await clock.advance(2_000);
  for (let value = 2; value < 50; value++) {
    await written(value);
    expect(await replica.get('key')).toBe(String(value));
  }

  // What another connection wrote has reached it before it counts as staying.
  const reader = await connectRedis(servers[0]?.url ?? '', 'command', silentLog);
  const source = new StreamRecordSource(reader, { clock, log: silentLog });
  for (let entry = 1; entry < 50; entry++) {
    await primary.xadd(carrierKeys('north').outcomes, `1-${entry}`, 'any', 'thing');
    expect(await source.staying('north', [`1-${entry}`, '2-0'])).toEqual(new Set([`1-${entry}`]));
    expect(await replica.xlen(carrierKeys('north').outcomes)).toBe(entry);
  }
  reader.disconnect();

  line.blackhole();
  await written('cut');
  expect(await replica.get('key')).not.toBe('cut');
  // It counts as none for a while: this one is not waited for at all.
  const askedMs = systemClock.monotonicMs();
  for (let turn = 0; turn < 20; turn++) await written('cut');
  expect(systemClock.monotonicMs() - askedMs).toBeLessThan(1_000);

  line.heal();
  await clock.advance(5_000);
  await written('mended');
  expect(await replica.get('key')).toBe('mended');
});

test('replica - of an alert nothing goes in before what comes before it is there, or a gap could be left', async () => {
  line.poison({ latencyMs: 5 });
  let isBehind = true;
  const log = { ...silentLog, warn: () => void (isBehind = true) };
  let had: number[] = [];
  // Where this machine is too slow for the replica to be waited for, once more.
  for (let campaign = 1; isBehind; campaign++) {
    isBehind = false;
    had = [];
    const content = testContent({ campaign: String(campaign), nature: 'alert' });
    const stream = carrierKeys('north').campaign(content.campaign);
    const producer = new Producer(
      beforeEachScript(async () => void had.push(await replica.xlen(stream))),
      1 << 30,
      systemClock,
      log,
    );
    await producer.open('north', content);
    had = [];
    await producer.enqueue('north', content, testBatches(content, 70, 1), new AbortController().signal);
  }
  expect(had).toEqual([0, 32, 64]);
  line.heal();
});

/** The primary, with something done before each script that it is to run. */
function beforeEachScript(action: () => Promise<void>): RedisConnection {
  return new Proxy(primary, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]): Promise<unknown> => {
        if (name === 'evalshaBuffer') await action();
        return await (Reflect.apply(value, target, args) as Promise<unknown>);
      };
    },
  });
}
