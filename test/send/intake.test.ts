/** Receipts on their way into the stream: none is answered before it is there, whatever the stream does. */
import { expect, test } from 'vitest';
import type { InboundMessage, Receipt } from '../../src/handoff.ts';
import { commandStatus } from '../../src/smpp/command-status.ts';
import { type DeliverFields, deliverSmBytes, writeDeliverSm } from '../../src/smpp/deliver.ts';
import { Intake } from '../../src/send/intake.ts';
import { silentLog } from '../../src/telemetry.ts';
import { HandClock, settled } from '../support/hand-clock.ts';

const plain: DeliverFields = {
  serviceType: '',
  sourceTon: 1,
  sourceNpi: 1,
  source: '33639980001',
  destinationTon: 5,
  destinationNpi: 0,
  destination: 'Mairie',
  esmClass: 4,
  protocolId: 0,
  priority: 0,
  scheduleDelivery: '',
  validityPeriod: '',
  registeredDelivery: 0,
  replaceIfPresent: 0,
  dataCoding: 0,
  shortMessage: Buffer.alloc(0),
};

function deliverSm(changes: Partial<DeliverFields>): Buffer {
  const fields = { ...plain, ...changes };
  const bytes = Buffer.alloc(deliverSmBytes(fields));
  writeDeliverSm(bytes, 0, 0, fields);
  return bytes;
}

const receipt = (id: string) => deliverSm({ shortMessage: Buffer.from(`id:${id} stat:DELIVRD err:000 text:`) });

function scene(spelling: 'as-is' | 'hexadecimal' = 'as-is') {
  const clock = new HandClock();
  const stored: { receipts: readonly Receipt[]; inbound: readonly InboundMessage[] }[] = [];
  const refusals: Error[] = [];
  const answers: [sequence: number, status: number][] = [];
  const store = {
    async putReceipts(_atMs: number, receipts: readonly Receipt[], inbound: readonly InboundMessage[]) {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
      stored.push({ receipts, inbound });
    },
  };
  const intake = new Intake(store, spelling, clock, silentLog);
  const answer = (sequences: readonly number[], status: number) => {
    for (const sequence of sequences) answers.push([sequence, status]);
  };
  const deliver = (sequence: number, bytes: Buffer, to = answer) =>
    intake.delivered(to, sequence, bytes, 0, bytes.length);
  return { clock, stored, refusals, answers, intake, deliver };
}

test('intake - receipts that come together are stored together, then answered', async () => {
  const s = scene();
  for (const sequence of [1, 2, 3]) s.deliver(sequence, receipt(`m${sequence}`));
  expect(s.answers).toEqual([]);
  await s.clock.advance(4);
  expect(s.stored.map(({ receipts }) => receipts.map(({ messageId }) => messageId))).toEqual([['m1', 'm2', 'm3']]);
  expect(s.answers).toEqual([1, 2, 3].map((sequence) => [sequence, commandStatus.ESME_ROK]));
  expect(s.intake.counts).toEqual({ receipts: 3, inbound: 0, unreadable: 0 });
});

test('intake - while the stream refuses nothing is answered, and everything is once it takes again', async () => {
  const s = scene();
  s.refusals.push(new Error('away'), new Error('away'));
  s.deliver(1, receipt('m1'));
  await s.clock.advance(4);
  s.deliver(2, receipt('m2'));
  await s.clock.advance(200);
  const finished = s.intake.finish();
  expect(s.answers.map(([sequence]) => sequence)).not.toContain(1);
  await s.clock.advance(1_000);
  await finished;
  expect(s.answers.map(([sequence]) => sequence).toSorted((a, b) => a - b)).toEqual([1, 2]);
  expect(
    s.stored
      .flatMap(({ receipts }) => receipts)
      .map(({ messageId }) => messageId)
      .toSorted(),
  ).toEqual(['m1', 'm2']);
});

test('intake - each link is answered for its own', async () => {
  const s = scene();
  const other: number[] = [];
  s.deliver(1, receipt('a'));
  s.deliver(1, receipt('b'), (sequences) => void other.push(...sequences));
  await s.clock.advance(4);
  expect(s.answers.map(([sequence]) => sequence)).toEqual([1]);
  expect(other).toEqual([1]);
});

test('intake - messages from handsets are kept, and what cannot be read is refused at once', async () => {
  const s = scene();
  s.deliver(1, deliverSm({ esmClass: 0, shortMessage: Buffer.from('STOP') }));
  const broken = receipt('x').subarray(0, 25);
  s.deliver(2, broken);
  expect(s.answers).toEqual([[2, commandStatus.ESME_RX_R_APPN]]);
  await s.clock.advance(4);
  expect(s.stored[0]?.inbound).toMatchObject([
    { source: '33639980001', destination: 'Mairie', body: Buffer.from('STOP') },
  ]);
  expect(s.intake.counts).toEqual({ receipts: 0, inbound: 1, unreadable: 1 });
});

test('intake - a thousand receipts are not waited with, and an idle intake is finished at once', async () => {
  const s = scene();
  for (let sequence = 1; sequence <= 1_000; sequence++) s.deliver(sequence, receipt(`m${sequence}`));
  await settled();
  expect(s.answers).toHaveLength(1_000);
  await s.intake.finish();
  await s.intake.finish();
});

test('intake - ids are kept in the carrier’s one spelling', async () => {
  const s = scene('hexadecimal');
  s.deliver(1, receipt('00Ab'));
  await s.intake.finish();
  const t = scene('hexadecimal');
  t.deliver(1, receipt('ab'));
  await t.intake.finish();
  expect(s.stored[0]?.receipts[0]?.messageId).toBe(t.stored[0]?.receipts[0]?.messageId);
});
