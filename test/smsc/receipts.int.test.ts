/** Receipts of the simulator: forms, spellings, order, and that none is lost when connections break. */
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { deliverRespBytes, writeDeliverResp } from '../../src/smpp/deliver.ts';
import { canonicalId } from '../../src/smpp/message-id.ts';
import { readReceipt } from '../../src/smpp/receipt.ts';
import type { Behaviour } from '../../src/smsc/behaviour.ts';
import { type Smsc, startSmsc } from '../../src/smsc/server.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { Esme, submitFrame } from './esme.ts';

const running: Smsc[] = [];

async function start(behaviour: Partial<Behaviour> = {}): Promise<Smsc> {
  const accounts = ['town', 'city'].map((systemId) => ({ systemId, password: 'secret' }));
  const smsc = await startSmsc({ accounts, behaviour });
  running.push(smsc);
  return smsc;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((smsc) => smsc.stop()));
});

const range = (count: number, from = 2) => Array.from({ length: count }, (_, index) => from + index);
const ids = (esme: Esme) => esme.answers.map(({ messageId }) => messageId).sort();
const receipted = (...esmes: Esme[]) => esmes.flatMap(({ receipts }) => receipts.map(({ rawId }) => rawId)).sort();

test('receipts - each accepted segment gets exactly one, and answered ones are settled', async () => {
  const smsc = await start();
  const esme = await Esme.bound(smsc.port);
  esme.write(...range(3000).map((sequence) => submitFrame(sequence)));
  await esme.until(() => esme.of(commandId.deliver_sm).length === 3000);
  const stats = await smsc.waitFor(({ receiptsAnswered }) => receiptsAnswered === 3000);
  expect(stats).toMatchObject({ receiptsSent: 3000, receiptsPending: 0, receiptsResent: 0 });
  expect(receipted(esme)).toEqual(ids(esme));
});

test('receipts - come from the handset, to the sender, with text and TLVs as asked', async () => {
  const smsc = await start({ receiptForm: 'text', receiptMix: { undeliverable: 1 } });
  const esme = await Esme.bound(smsc.port);
  esme.write(submitFrame(2, { shortMessage: Buffer.from('id:666 stat:DELIVRD\x00é') }));
  await esme.until(() => esme.of(commandId.deliver_sm).length === 1);
  smsc.setBehaviour({ receiptForm: 'tlv' });
  esme.write(submitFrame(3));
  await esme.until(() => esme.of(commandId.deliver_sm).length === 2);
  smsc.setBehaviour({ receiptForm: 'both' });
  esme.write(submitFrame(4));
  await esme.until(() => esme.of(commandId.deliver_sm).length === 3);
  const texts = esme.of(commandId.deliver_sm).map(({ bytes }) => bytes.toString('latin1'));
  expect(texts.map((text) => text.includes('stat:UNDELIV err:'))).toEqual([true, false, true]);
  expect(texts.map((text) => text.includes('\x04\x27\x00\x01\x05'))).toEqual([false, true, true]);
  for (const text of texts) expect(text.slice(16).startsWith('\0\x01\x0133700900123\0\x05\0TOWN\0\x04')).toBe(true);
  expect(esme.receipts.map(({ state }) => state)).toEqual(['undeliverable', 'undeliverable', 'undeliverable']);
  const [first] = esme.of(commandId.deliver_sm).map(({ bytes }) => readReceipt(bytes, 0, bytes.length));
  expect(first?.kind === 'receipt' && Math.abs(first.doneAtSeconds * 1000 - Date.now())).toBeLessThan(120_000);
});

test('receipts - are sent only where registered_delivery asks for them', async () => {
  const smsc = await start();
  const esme = await Esme.bound(smsc.port);
  esme.write(...[0, 2, 1].map((registeredDelivery, index) => submitFrame(index + 2, { registeredDelivery })));
  await esme.until(() => esme.of(commandId.deliver_sm).length === 1);
  expect(receipted(esme)).toEqual([esme.answers[2]?.messageId]);
  smsc.setBehaviour({ receiptMix: { expired: 1 } });
  esme.write(...[0, 2].map((registeredDelivery, index) => submitFrame(index + 5, { registeredDelivery })));
  await esme.until(() => esme.of(commandId.deliver_sm).length === 2);
  expect((await smsc.waitFor(({ receiptsPending }) => receiptsPending === 0)).receiptsSent).toBe(2);
});

test('receipts - final states come in the shares asked for', async () => {
  const smsc = await start({ receiptMix: { delivered: 0.7, expired: 0.2 } });
  const esme = await Esme.bound(smsc.port);
  esme.write(...range(2000).map((sequence) => submitFrame(sequence)));
  await smsc.waitFor(({ received, receiptsPending }) => received === 2000 && receiptsPending === 0);
  const states = esme.receipts.map(({ state }) => state);
  const counts = [1400 - states.filter((state) => state === 'delivered').length, 1800 - states.length];
  for (const difference of counts) expect(Math.abs(difference)).toBeLessThan(150);
});

test.each(['as-is', 'hexadecimal', 'decimal', 'hexadecimal-in-response', 'decimal-in-response'] as const)(
  'receipts - ids spelled %s meet their answers in canonical form',
  async (messageIds) => {
    const smsc = await start({ messageIds });
    const esme = await Esme.bound(smsc.port);
    esme.write(...range(300).map((sequence) => submitFrame(sequence)));
    await smsc.waitFor(({ receiptsAnswered }) => receiptsAnswered === 300);
    const answered = ids(esme).map((id) => canonicalId(id, messageIds, 'response'));
    const reported = receipted(esme).map((id) => canonicalId(id, messageIds, 'receipt'));
    expect(reported.sort()).toEqual(answered.sort());
    expect(new Set(reported).size).toBe(300);
    if (messageIds !== 'as-is') expect(receipted(esme)).not.toEqual(ids(esme));
  },
);

test('receipts - may come before the answer to their submit_sm', async () => {
  const smsc = await start({ receiptFirst: 1, latencyMs: 5 });
  const esme = await Esme.bound(smsc.port);
  esme.write(...range(50).map((sequence) => submitFrame(sequence)));
  await esme.until(() => esme.answers.length === 50);
  const kinds = esme.received.slice(1).map((pdu) => pdu.commandId);
  expect(kinds).toEqual([...Array(50).fill(commandId.deliver_sm), ...Array(50).fill(commandId.submit_sm_resp)]);
  expect(receipted(esme)).toEqual(ids(esme));
});

test('receipts - of a transmitter go to a receiver of the same account, never to another account', async () => {
  const smsc = await start();
  const foreign = await Esme.bound(smsc.port, 'transceiver', 'city');
  const transmitter = await Esme.bound(smsc.port, 'transmitter');
  transmitter.write(...range(20).map((sequence) => submitFrame(sequence)));
  await transmitter.until(() => transmitter.answers.length === 20);
  const receiver = await Esme.bound(smsc.port, 'receiver');
  await smsc.waitFor(({ receiptsAnswered }) => receiptsAnswered === 20);
  expect(receipted(receiver)).toEqual(ids(transmitter));
  expect(receipted(transmitter, foreign)).toEqual([]);
});

test('receipts - come on the submitting bind, or on another one when asked', async () => {
  const smsc = await start();
  const [first, second] = [await Esme.bound(smsc.port), await Esme.bound(smsc.port)];
  first.write(...range(20).map((sequence) => submitFrame(sequence)));
  await smsc.waitFor(({ receiptsAnswered }) => receiptsAnswered === 20);
  expect([first.receipts.length, second.receipts.length]).toEqual([20, 0]);
  smsc.setBehaviour({ receiptOtherBind: true });
  first.write(...range(20, 100).map((sequence) => submitFrame(sequence)));
  await smsc.waitFor(({ receiptsAnswered }) => receiptsAnswered === 40);
  expect([first.receipts.length, second.receipts.length]).toEqual([20, 20]);
});

test('receipts - not answered when a connection breaks come again on the next bind, in order', async () => {
  const smsc = await start({ receiptWindow: 5 });
  const esme = await Esme.bound(smsc.port);
  esme.receiptStatus = undefined;
  esme.write(...range(12).map((sequence) => submitFrame(sequence)));
  await esme.until(() => esme.of(commandId.deliver_sm).length === 5);
  expect(smsc.stats()).toMatchObject({ receiptsSent: 5, receiptsPending: 12 });
  smsc.disconnectAll();
  await smsc.waitFor(({ binds }) => binds === 0);
  const again = await Esme.bound(smsc.port);
  await smsc.waitFor(({ receiptsAnswered }) => receiptsAnswered === 12);
  expect(again.receipts.map(({ rawId }) => rawId)).toEqual(esme.answers.map(({ messageId }) => messageId));
  expect(smsc.stats()).toMatchObject({ receiptsPending: 0, receiptsSent: 17 });
});

test('receipts - refused for the moment come again, refused for good do not', async () => {
  const smsc = await start({ receiptRetryMs: 20 });
  const esme = await Esme.bound(smsc.port);
  esme.receiptStatus = 0x64;
  esme.write(submitFrame(2));
  await smsc.waitFor(({ receiptsRefused }) => receiptsRefused === 2);
  esme.receiptStatus = 0x65;
  const { receiptsRefused } = await smsc.waitFor(({ receiptsPending }) => receiptsPending === 0);
  esme.receiptStatus = 0;
  esme.write(submitFrame(3));
  const stats = await smsc.waitFor(({ receiptsAnswered }) => receiptsAnswered === 1);
  expect(stats).toMatchObject({ receiptsRefused, receiptsPending: 0 });
});

test('receipts - left without an answer come again while the bind stands', async () => {
  const smsc = await start({ receiptRetryMs: 20 });
  const esme = await Esme.bound(smsc.port);
  esme.receiptStatus = undefined;
  esme.write(submitFrame(2), submitFrame(3));
  await smsc.waitFor(({ receiptsResent }) => receiptsResent >= 2);
  const answers = Buffer.alloc(deliverRespBytes);
  esme.receiptStatus = 0;
  // An answer to a repetition that is no longer the last one settles nothing twice.
  writeDeliverResp(answers, 0, 1, 0);
  esme.write(answers);
  await smsc.waitFor(({ receiptsPending }) => receiptsPending === 0);
  expect(smsc.stats().receiptsAnswered).toBe(2);
});

test('receipts - an orderly restart forgets none that was not answered, and repeats no message id', async () => {
  const folder = temporaryFolder();
  const options = { accounts: [{ systemId: 'town', password: 'secret' }], memory: join(folder, 'memory') };
  const before = await startSmsc({ ...options, behaviour: { receiptDelayMs: 3_600_000 } });
  const first = await Esme.bound(before.port);
  first.receiptStatus = undefined;
  first.write(...range(500).map((sequence) => submitFrame(sequence)));
  await first.until(() => first.answers.length === 500);
  before.setBehaviour({ receiptDelayMs: 0 });
  first.write(...range(500, 502).map((sequence) => submitFrame(sequence)));
  await first.until(() => first.of(commandId.deliver_sm).length === 500);
  await before.stop();

  const after = await startSmsc(options);
  const second = await Esme.bound(after.port);
  await second.until(() => second.receipts.length === 1_000);
  expect(receipted(second)).toEqual(ids(first));
  second.write(submitFrame(2));
  await second.until(() => second.answers.length === 1);
  expect(ids(first)).not.toContain(second.answers[0]?.messageId);
  await after.stop();
  removeFolder(folder);
});
