/** Names of carriers' data on real Redis, beside a release that knows one name for all. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StreamConveyor } from '../../src/stream/conveyor.ts';
import { carrierKeys, planKeys } from '../../src/stream/keys.ts';
import { removeFolder } from '../support/folder.ts';
import { unpackRelease } from '../upgrade/release.ts';
import { streamScene, type StreamScene } from './scene.ts';

let s: StreamScene;
beforeAll(async () => {
  s = await streamScene();
});
afterAll(() => s.end());

test('epoch - one name for all counts until a carrier is given one, and the last release finds that too', async () => {
  const { folder, program } = unpackRelease(`epoch-${process.pid}`);
  type Old = { StreamConveyor: new (redis: unknown) => { epoch(): Promise<string | undefined> } };
  const { StreamConveyor: OldConveyor } = (await import(`${program}/src/stream/conveyor.js`)) as Old;
  removeFolder(folder);
  const [old, conveyor] = [new OldConveyor(s.redis), new StreamConveyor(s.redis)];
  expect(await conveyor.epoch('north')).toBeUndefined();
  await s.redis.set(planKeys.epoch, 'one');
  expect(await conveyor.epoch('north')).toBe('one');
  for (const carrier of ['north', 'south']) await conveyor.setEpoch(carrier, 'two');
  expect([await old.epoch(), await conveyor.epoch('north')]).toEqual(['two', 'two']);
  // What one of them has lost is not hidden by that.
  await s.redis.del(carrierKeys('south').epoch);
  expect(await conveyor.epoch('south')).toBeUndefined();
});
