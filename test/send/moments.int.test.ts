/** Awkward moments of a worker on real Redis: states that change and leases that end while a batch is on its way. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLines, type Lines } from '../../cluster/lines.ts';
import { settingsSchema } from '../../config/schema.ts';
import { systemClock } from '../../src/clock.ts';
import { encodeInPlace } from '../../src/encode/encode.ts';
import type { Encode } from '../../src/handoff.ts';
import { Consumer } from '../../src/stream/consumer.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { addressOf, testBatches, testCarrier } from '../support/lines.ts';
import { countsOf, type LoggedSmsc, loggedSmsc, SendScene, until } from './scene.ts';

let s: SendScene;
let smsc: LoggedSmsc;
let connections: RedisConnection[];
let lines: Lines;
/** Lets batches out of the encoder. */
let open: () => void;
let encoding = 0;

beforeEach(async () => {
  s = await SendScene.open();
  smsc = await loggedSmsc();
  connections = [await connectRedis(s.url, 'command', silentLog), await connectRedis(s.url, 'subscribing', silentLog)];
  encoding = 0;
  const isOpen = new Promise<void>((resolve) => (open = resolve));
  const encode: Encode = async (task) => {
    encoding++;
    await isOpen;
    return await encodeInPlace(task);
  };
  const [redis, subscribing] = connections as [RedisConnection, RedisConnection];
  const settings = settingsSchema.parse({});
  const parts = { worker: 'w', settings, redis, subscribing, encode, clock: systemClock, log: silentLog };
  lines = createLines(testCarrier(smsc.port, { name: s.name }), parts);
  await lines.start();
});
afterEach(async () => {
  open();
  await lines.stop(performance.now() + 5_000);
  for (const connection of connections) connection.disconnect();
  await s.end();
  await smsc.stop();
});

const received = async (sender: string) => (await smsc.segments()).filter(({ source }) => source === sender).length;

test('pause - of a batch that is being encoded holds, and so does a resume', async () => {
  const paused = s.content({ sender: 'Paused' });
  await s.enqueue(paused, testBatches(paused, 20, 20));
  await until(() => encoding === 1);
  await s.producer.control(s.name, paused.campaign, 'pause');
  open();
  const other = s.content({ sender: 'Other' });
  await s.enqueue(other, testBatches(other, 20, 20));
  expect(countsOf(await s.outcomes(other.campaign, 20))).toEqual({ accepted: 20 });
  expect(await received('Paused')).toBe(0);
  await s.producer.control(s.name, paused.campaign, 'resume');
  expect(countsOf(await s.outcomes(paused.campaign, 20))).toEqual({ accepted: 20 });
});

test('pause - that no signal told of is noticed before anything is written', async () => {
  const paused = s.content({ sender: 'Paused' });
  await s.enqueue(paused, testBatches(paused, 20, 20));
  await until(() => encoding === 1);
  await s.redis.hset(s.keys.meta(paused.campaign), 'state', 'paused');
  open();
  const other = s.content({ sender: 'Other' });
  await s.enqueue(other, testBatches(other, 20, 20));
  expect(countsOf(await s.outcomes(other.campaign, 20))).toEqual({ accepted: 20 });
  await until(() => lines.sender.batchesHeld === 1);
  expect(await received('Paused')).toBe(0);
  lines.sender.setState(paused.campaign, 'active');
  expect(countsOf(await s.outcomes(paused.campaign, 20))).toEqual({ accepted: 20 });
});

test('cancel - of a batch that is being encoded settles it as cancelled', async () => {
  const content = s.content();
  await s.enqueue(content, testBatches(content, 20, 20));
  await until(() => encoding === 1);
  await s.producer.control(s.name, content.campaign, 'cancel');
  open();
  expect(countsOf(await s.outcomes(content.campaign, 20))).toEqual({ cancelled: 20 });
  expect(smsc.stats().received).toBe(0);
});

test('alert - is taken although the encoder is full of information, as soon as that is through', async () => {
  const information = s.content();
  await s.enqueue(information, testBatches(information, 4_000, 500));
  await until(() => encoding >= 1);
  const alert = s.content({ nature: 'alert', sender: 'Alerte' });
  await s.enqueue(alert, testBatches(alert, 10, 10));
  open();
  expect(countsOf(await s.outcomes(alert.campaign, 10))).toEqual({ accepted: 10 });
  const order = (await smsc.segments()).map(({ source }) => source);
  expect(order.indexOf('Alerte')).toBeLessThan(3_990);
  expect(countsOf(await s.outcomes(information.campaign, 4_000))).toEqual({ accepted: 4_000 });
});

test('lease - a batch whose lease ended in the encoder is not taken a second time by its own worker', async () => {
  const content = s.content();
  await s.enqueue(content, testBatches(content, 20, 20));
  await until(() => encoding === 1);
  const [member] = await s.redis.zrange(s.keys.held, '0', '0');
  await s.redis.zadd(s.keys.held, 0, member as string);
  await lines.sender.claim();
  open();
  expect(countsOf(await s.outcomes(content.campaign, 20))).toEqual({ accepted: 20 });
  expect(encoding).toBe(1);
  expect((await smsc.segments()).map(({ destination }) => destination)).toEqual(
    Array.from({ length: 20 }, (_, i) => addressOf(i)),
  );
});

test('lease - a batch that somebody else took while it was in the encoder is not sent here', async () => {
  const content = s.content();
  await s.enqueue(content, testBatches(content, 20, 20));
  await until(() => encoding === 1);
  const [member] = await s.redis.zrange(s.keys.held, '0', '0');
  await s.redis.zadd(s.keys.held, 0, member as string);
  const [claimed] = await new Consumer(s.redis, s.name, 'other', 60_000).claim(1);
  expect(claimed).toBeDefined();
  open();
  await until(() => lines.sender.batchesHeld === 0);
  expect(smsc.stats().received).toBe(0);
  expect(await s.recorded()).toEqual([]);
});

test('stop - while batches are in the encoder gives them back untouched', async () => {
  const content = s.content();
  await s.enqueue(content, testBatches(content, 100, 20));
  await until(() => encoding >= 1);
  const stopped = lines.stop(performance.now() + 5_000);
  open();
  await stopped;
  expect(smsc.stats().received).toBe(0);
  expect(await s.redis.zcount(s.keys.held, '(0', '+inf')).toBe(0);
  await s.work(smsc.port);
  expect(countsOf(await s.outcomes(content.campaign, 100))).toEqual({ accepted: 100 });
});
