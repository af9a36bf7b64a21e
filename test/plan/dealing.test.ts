/** Shards that are away get nothing more, and an account is away when all of its shards are. */
import { expect, test } from 'vitest';
import { dealingOver } from '../../src/plan/dealing.ts';
import { divide } from '../../src/plan/reroute.ts';
import { isReplaced, routeTable } from '../../src/plan/route.ts';

const shards = ['orange.0', 'orange.1', 'north'];
const dealing = (...away: string[]) => dealingOver(shards, (shard) => !away.includes(shard));
const accounts = [
  { name: 'orange', prefixes: ['336'], order: 0 },
  { name: 'north', prefixes: [''], order: 0 },
];

test('dealing - only shards that can be sent to are dealt to, unless none can', () => {
  expect(dealing().shardsOf('orange')).toEqual(['orange.0', 'orange.1']);
  expect(dealing('orange.0').shardsOf('orange')).toEqual(['orange.1']);
  expect(dealing('orange.0', 'orange.1').shardsOf('orange')).toEqual(['orange.0', 'orange.1']);
  expect(dealing().shardsOf('north')).toEqual(['north']);
});

test('dealing - siblings are no fallback: an account is replaced when all of its shards are away', () => {
  const one = dealing('orange.0');
  expect(one.isUsable('orange')).toBe(true);
  expect(isReplaced(accounts, one.isUsable, 'orange')).toBe(false);
  const all = dealing('orange.0', 'orange.1');
  expect(isReplaced(accounts, all.isUsable, 'orange')).toBe(true);
});

test('dealing - what an account gave up goes to the shards of the one that stands in, in turn', () => {
  const routes = routeTable(accounts.toReversed(), (account) => account !== 'north');
  const batches = Array.from({ length: 6 }, (_, at) => ({
    campaign: '7529940571893268492',
    organisation: '1',
    number: at + 1,
    attempt: 1,
    firstOrdinal: at,
    recipients: 1,
    language: 'fr',
    packed: Buffer.from(`3360000000${at}`),
  }));
  const waiting = batches.map(({ campaign, number: batch }) => ({
    id: String(batch),
    campaign,
    batch,
    carrier: 'north',
    indexes: [0],
  }));
  const byNumber = new Map(batches.map((batch) => [batch.number, batch]));
  const targets = divide(waiting, byNumber, routes, dealing().shardsOf).map((d) => d.target);
  expect(targets.toSorted()).toEqual([...Array(3).fill('orange.0'), ...Array(3).fill('orange.1')]);
  expect(targets[0]).not.toBe(targets[1]);
});
