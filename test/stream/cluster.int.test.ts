/**
 * One carrier's scripts on a real Redis Cluster: keys that move from node to node under way, a primary that is killed.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { shardNames, shardsMax } from '../../src/account.ts';
import { systemClock } from '../../src/clock.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { OwnerOf } from '../../src/stream/owner.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { Replicas } from '../../src/stream/replica.ts';
import { script } from '../../src/stream/script.ts';
import { silentLog } from '../../src/telemetry.ts';
import { RedisCluster } from '../faults/redis-cluster.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';

const { prefix } = carrierKeys('north');
/** Counts in two keys at once; they differ when a script ever ran where only one of them was. */
const countScript = `
local sum = redis.call('INCR', KEYS[1] .. ':one')
if redis.call('INCR', KEYS[1] .. ':two') ~= sum then return redis.error_reply('TORN') end
return sum
`;

let folder: string;
let cluster: RedisCluster;
let redis: RedisConnection;

beforeAll(async () => {
  folder = temporaryFolder();
  cluster = await RedisCluster.start(folder);
  redis = await connectRedis(cluster.url, 'command', silentLog);
});
afterAll(async () => {
  redis.disconnect();
  await cluster.stop();
  removeFolder(folder);
});

test('cluster - shards of an account lie in slots of their own, and not all on one server', async () => {
  const shards = shardNames('orange', shardsMax).map((shard) => carrierKeys(shard).prefix);
  const slots = await Promise.all(shards.map((shard) => redis.call('CLUSTER', 'KEYSLOT', shard)));
  expect(new Set(slots).size).toBe(shardsMax);
  const primaries = await Promise.all(shards.slice(0, 3).map((shard) => cluster.primaryOf(shard)));
  expect(new Set(primaries).size).toBeGreaterThan(1);
});

test('cluster - no script runs over half of the keys of a slot that moves; it waits until they have', async () => {
  const count = script(redis, countScript);
  let counted = 0;
  for (let key = 0; key < 35; key++) await redis.set(`${prefix}:other:${key}`, key);
  for (let turn = 0; turn < 10; turn++) counted = Number(await count(prefix));
  const target = await cluster.otherThan(prefix);
  const move = await cluster.move(prefix, target);
  const waiting = Array.from({ length: 20 }, () => count(prefix));
  let isThrough = false;
  void Promise.race(waiting).then(() => (isThrough = true));
  while (await move.some()) {
    // A key alone is found wherever it is.
    expect(await redis.get(`${prefix}:one`)).toBe(String(counted));
    expect(await redis.get(`${prefix}:other:34`)).toBe('34');
  }
  expect(isThrough).toBe(false);
  await move.finish();
  const sums = (await Promise.all(waiting)).map(Number);
  expect(sums.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => counted + 1 + index));
  expect(await cluster.primaryOf(prefix)).toBe(target);
});

test('cluster - what was written and waited for is there after its primary is killed', async () => {
  const owner = new OwnerOf(redis, prefix);
  const replicas = new Replicas(redis, prefix, systemClock, silentLog);
  const primary = await cluster.primaryOf(prefix);
  const count = script(redis, countScript);
  const before = Number(await replicas.reached(() => count(prefix)));
  expect((await owner.connection())?.options.port).toBe(primary.port);
  let written = before;
  const killed = primary.kill();
  for (let turn = 0; turn < 5; turn++) written = Number(await replicas.reached(() => count(prefix)));
  await killed;
  const after = Number(await replicas.reached(() => count(prefix)));
  expect(after).toBeGreaterThan(written);
  expect((await owner.connection())?.options.port).not.toBe(primary.port);
  await primary.start();
  await cluster.settled();
});
