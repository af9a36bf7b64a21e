/** Answers after their deadline, from a carrier made by hand: they count, whatever their segment is by then. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CampaignContent } from '../../src/handoff.ts';
import { commandStatus } from '../../src/smpp/command-status.ts';
import { type Peer, RawCarrier } from '../carrier/raw-carrier.ts';
import { testBatches, type TestLines } from '../support/lines.ts';
import { SendScene, until } from './scene.ts';

let s: SendScene;
let carrier: RawCarrier;
beforeEach(async () => {
  s = await SendScene.open();
  carrier = await RawCarrier.start();
});
afterEach(async () => {
  await s.end();
  await carrier.stop();
});

/** Two recipients, of whom the second is answered at once and the first is left out; its sequence_number. */
async function leaveOut(
  changes: Partial<CampaignContent>,
  retryDelayMs: number,
  retryMax = 3,
): Promise<{ readonly peer: Peer; readonly worker: TestLines; readonly campaign: string; readonly sequence: number }> {
  const content = s.content(changes);
  const worker = await s.work(carrier.port, { binds: 1, responseMs: 50 }, { retryDelayMs, retryMax });
  await s.enqueue(content, testBatches(content, 2, 2));
  const peer = await carrier.peer(0);
  const [first, second] = await peer.untilReceived('submit_sm', 2);
  peer.answer(second?.sequence ?? 0);
  return { peer, worker, campaign: content.campaign, sequence: first?.sequence ?? 0 };
}

/** Outcomes of the first recipient so far, in order. */
async function ofFirst(campaign: string): Promise<string[]> {
  const rows = await s.recorded(campaign, true);
  return rows.filter(({ ordinal }) => ordinal === 0).map(({ outcome, messageId }) => `${outcome} ${messageId}`.trim());
}

test('late - what became unknown is accepted after all, with its message id, though its batch is gone', async () => {
  const { peer, campaign, sequence } = await leaveOut({}, 1);
  await until(async () => (await ofFirst(campaign)).length === 1 && (await s.redis.zcard(s.keys.held)) === 0);
  peer.answer(sequence);
  await until(async () => (await ofFirst(campaign)).length === 2);
  expect(await ofFirst(campaign)).toEqual(['unknown', `accepted id-${sequence}`]);
});

test('late - what became unknown is rejected when the carrier says so, and not sent again', async () => {
  const { peer, campaign, sequence } = await leaveOut({}, 1);
  await until(async () => (await ofFirst(campaign)).length === 1);
  peer.answer(sequence, commandStatus.ESME_RTHROTTLED);
  await until(async () => (await ofFirst(campaign)).length === 2);
  expect(await ofFirst(campaign)).toEqual(['unknown', 'rejected']);
  expect(peer.of('submit_sm')).toHaveLength(2);
});

test('late - an alert that has no tries left is rejected when the carrier says so, as information is', async () => {
  const { peer, campaign, sequence } = await leaveOut({ nature: 'alert' }, 1, 0);
  await until(async () => (await ofFirst(campaign)).length === 1);
  peer.answer(sequence, commandStatus.ESME_RTHROTTLED);
  await until(async () => (await ofFirst(campaign)).length === 2);
  expect(await ofFirst(campaign)).toEqual(['unknown', 'rejected']);
  expect(peer.of('submit_sm')).toHaveLength(2);
});

test('late - an alert that was refused late is written again, and comes to what is said of the last time', async () => {
  const { peer, worker, campaign, sequence } = await leaveOut({ nature: 'alert' }, 1);
  peer.answer(sequence, commandStatus.ESME_RTHROTTLED);
  const [, , third] = await peer.untilReceived('submit_sm', 3);
  peer.answer(third?.sequence ?? 0);
  await until(async () => (await ofFirst(campaign)).length === 1);
  expect(await ofFirst(campaign)).toEqual([`accepted id-${third?.sequence}`]);
  // It slows its bind down as one in time does.
  expect(worker.lines.sender.counts.alert.throttled).toBe(1);
});

test('late - an alert that waits to be written again is not, once it is accepted', async () => {
  const { peer, worker, campaign, sequence } = await leaveOut({ nature: 'alert' }, 1_000_000);
  await until(() => worker.lines.sender.counts.alert.again === 1);
  peer.answer(sequence);
  await until(async () => (await s.redis.zcard(s.keys.held)) === 0);
  expect(await ofFirst(campaign)).toEqual([`accepted id-${sequence}`]);
  expect(peer.of('submit_sm')).toHaveLength(2);
});

test('late - of an alert that was written again both acceptances are known, by their ids', async () => {
  const { peer, campaign, sequence } = await leaveOut({ nature: 'alert' }, 1);
  const [, , third] = await peer.untilReceived('submit_sm', 3);
  peer.answer(sequence);
  peer.answer(third?.sequence ?? 0);
  await until(async () => (await ofFirst(campaign)).length === 2);
  expect((await ofFirst(campaign)).toSorted()).toEqual([`accepted id-${sequence}`, `accepted id-${third?.sequence}`]);
});

test('late - an answer that comes while the worker stops is recorded before it ends', async () => {
  const { peer, worker, campaign, sequence } = await leaveOut({}, 1);
  await until(async () => (await ofFirst(campaign)).length === 1);
  peer.answer(sequence);
  await until(() => worker.lines.sender.counts.information.accepted === 2);
  await worker.stop();
  s.workers.splice(0);
  expect(await ofFirst(campaign)).toEqual(['unknown', `accepted id-${sequence}`]);
});

test('late - each answer of a batch counts, however much later than the one before it comes', async () => {
  const content = s.content();
  await s.work(carrier.port, { binds: 1, responseMs: 50 });
  await s.enqueue(content, testBatches(content, 3, 3));
  const peer = await carrier.peer(0);
  const sequences = (await peer.untilReceived('submit_sm', 3)).map(({ sequence }) => sequence);
  const accepted = async () => {
    const rows = await s.recorded(content.campaign, true);
    return rows.filter(({ outcome }) => outcome === 'accepted').map(({ messageId }) => messageId);
  };
  const [inTime = 0, ...late] = sequences;
  peer.answer(inTime);
  await until(async () => (await s.recorded(content.campaign, true)).length === 3);
  for (const [at, sequence] of late.entries()) {
    peer.answer(sequence);
    await until(async () => (await accepted()).length === at + 2);
  }
  expect(await accepted()).toEqual(sequences.map((sequence) => `id-${sequence}`));
});
