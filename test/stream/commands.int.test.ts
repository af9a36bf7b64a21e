/** The planners' queue of commands on real Redis: each is somebody's until it is done, whoever dies. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Commands, publishCommand } from '../../src/stream/commands.ts';
import { planKeys } from '../../src/stream/keys.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { testRedis } from '../support/redis.ts';

let redis: RedisConnection;
let connections: RedisConnection[];
let url: string;

beforeEach(async () => {
  ({ url } = await testRedis());
  redis = await connectRedis(url, 'command', silentLog);
  connections = [redis];
});
afterEach(() => {
  for (const connection of connections) connection.disconnect();
});

async function planner(name: string): Promise<{ commands: Commands; reading: RedisConnection }> {
  const reading = await connectRedis(url, 'reading', silentLog, name);
  connections.push(reading);
  return { commands: new Commands(reading, redis, name), reading };
}

/** The next command, past looks that find nothing. */
async function next(commands: Commands) {
  for (;;) {
    const command = await commands.next();
    if (command !== undefined) return command;
  }
}

test('commands - come in order, each to one planner, and are gone when done', async () => {
  const first = await planner('first');
  const second = await planner('second');
  await publishCommand(redis, '1', 'launch');
  await publishCommand(redis, '2', 'pause');
  await publishCommand(redis, '3', 'cancel');
  const taken = [await next(first.commands), await next(second.commands), await next(first.commands)];
  expect(taken).toMatchObject([
    { campaign: '1', command: 'launch' },
    { campaign: '2', command: 'pause' },
    { campaign: '3', command: 'cancel' },
  ]);
  for (const command of taken) await first.commands.done(command);
  expect(await redis.xlen(planKeys.campaigns)).toBe(0);
  expect((await redis.xpending(planKeys.campaigns, planKeys.group))[0]).toBe(0);
});

test('commands - a queue that is quiet says so within about a second, and wakes for the next one', async () => {
  const { commands } = await planner('p');
  expect(await commands.next()).toBeUndefined();
  const waiting = next(commands);
  await publishCommand(redis, '7', 'resume');
  expect(await waiting).toMatchObject({ campaign: '7', command: 'resume' });
});

test('commands - after a lost connection what was delivered and not done comes again', async () => {
  const { commands, reading } = await planner('p');
  await publishCommand(redis, '1', 'launch');
  const command = await next(commands);
  const isReady = new Promise((resolve) => reading.once('ready', resolve));
  await redis.client('KILL', 'ID', await reading.client('ID'));
  await isReady;
  expect(await next(commands)).toEqual(command);
  await commands.done(command);
  await publishCommand(redis, '2', 'launch');
  expect(await next(commands)).toMatchObject({ campaign: '2' });
});

test('commands - a planner that starts again finds what it had', async () => {
  const before = await planner('p');
  await publishCommand(redis, '1', 'launch');
  const command = await next(before.commands);
  before.reading.disconnect();
  expect(await next((await planner('p')).commands)).toEqual(command);
});

test('commands - what a dead planner left for a while is given to another, once', async () => {
  const dead = await planner('dead');
  await publishCommand(redis, '1', 'launch');
  const command = await next(dead.commands);
  dead.reading.disconnect();
  const { campaigns, group } = planKeys;
  await redis.call('XCLAIM', campaigns, group, 'dead', '0', command.entry, 'IDLE', '31000', 'JUSTID');
  const heir = await planner('heir');
  expect(await next(heir.commands)).toEqual(command);
  expect(await heir.commands.next()).toBeUndefined();
});

test('commands - nonsense is dropped, and the next one comes', async () => {
  const { commands } = await planner('p');
  await commands.next();
  await redis.xadd(planKeys.campaigns, '*', 'campaign', '1', 'command', 'explode');
  await redis.xadd(planKeys.campaigns, '*', 'x', 'y');
  await publishCommand(redis, '2', 'launch');
  expect(await next(commands)).toMatchObject({ campaign: '2' });
  expect(await redis.xlen(planKeys.campaigns)).toBe(1);
});

test('commands - an entry that was deleted while it was in hand does not stand in the way', async () => {
  const before = await planner('p');
  await publishCommand(redis, '1', 'launch');
  const command = await next(before.commands);
  await redis.xdel(planKeys.campaigns, command.entry);
  const after = await planner('p');
  await publishCommand(redis, '2', 'launch');
  expect(await next(after.commands)).toMatchObject({ campaign: '2' });
});

test('commands - when Redis has lost everything the queue fails once and is made anew', async () => {
  const { commands } = await planner('p');
  await commands.next();
  await redis.flushdb();
  await expect(commands.next()).rejects.toThrow(/NOGROUP/);
  await publishCommand(redis, '1', 'launch');
  expect(await next(commands)).toMatchObject({ campaign: '1' });
});
