/** Deadlines of a connection by a clock that the test moves, over real sockets: who is silent, and who is only slow. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { encodeHeaderOnly } from '../../src/smpp/pdu.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Bound, bindSettings } from './bound.ts';
import { type Peer, polite, RawCarrier } from './raw-carrier.ts';

let carrier: RawCarrier;
let clock: HandClock;
let bound: Bound;
let peer: Peer;
beforeEach(async () => {
  carrier = await RawCarrier.start();
  clock = new HandClock();
  bound = new Bound(bindSettings(carrier.port, { responseMs: 1_000, enquireLinkMs: 5_000 }), clock);
  await bound.untilBound();
  peer = await carrier.peer(0);
});
afterEach(async () => {
  bound.bind.abandon();
  await carrier.stop();
});

/** Moves the clock in small steps, as an event loop that turns would. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5) await clock.advance(Math.min(5, ms - passed));
}

/** Sequence_numbers of the submits so far, once there are `count`. */
const sequences = async (count: number) =>
  (await peer.untilReceived('submit_sm', count)).map(({ sequence }) => sequence);

async function answered(sequence: number | undefined): Promise<void> {
  const before = bound.endings.length;
  peer.answer(sequence ?? 0);
  await bound.until(() => bound.endings.length > before);
}

test('one segment left out - is given up at its deadline by itself; the bind, and what is younger, go on', async () => {
  bound.submit(2);
  const [, second] = await sequences(2);
  await pass(2);
  await answered(second);
  await pass(995);
  bound.submit(1);
  const [, , third] = await sequences(3);
  await pass(20);
  expect(bound.outcomes).toEqual(['lost', 0]);
  await pass(900);
  expect(bound.bind.isBound).toBe(true);
  await answered(third);
  await pass(3_000);
  expect(bound.bind.isBound).toBe(true);
  expect(bound.outcomes).toEqual(['lost', 0, 0]);
});

test('an answer after the deadline - is told once as late, and the next ones as ever', async () => {
  bound.submit(2);
  const [first, second] = await sequences(2);
  await pass(500);
  await answered(second);
  await pass(510);
  expect(bound.outcomes).toEqual(['lost', 0]);
  peer.answer(first as number);
  peer.answer(first as number);
  bound.submit(1);
  await answered((await sequences(3))[2]);
  expect(bound.outcomes).toEqual(['lost', 0, 0]);
  expect(bound.late).toEqual([{ ticket: 0, status: 0, messageId: `id-${first}` }]);
  expect(bound.bind.inFlight).toBe(0);
});

test('an answer that is overdue - keeps its place in the window until it comes: the carrier counts it', async () => {
  bound.submit(3);
  const [first, second, third] = await sequences(3);
  await pass(2);
  await answered(third);
  await pass(1_010);
  expect(bound.outcomes.map(String).toSorted((a, b) => (a < b ? -1 : Number(a > b)))).toEqual(['0', 'lost', 'lost']);
  expect(bound.bind.room).toBe(98);
  bound.submit(1);
  const [, , , fourth] = await sequences(4);
  peer.answer(first as number);
  await answered(fourth);
  expect(bound.bind.room).toBe(99);
  peer.answer(second as number);
  bound.submit(1);
  await answered((await sequences(5))[4]);
  expect(bound.bind.room).toBe(100);
});

test('half a window of overdue answers - is left for a new bind, once the others have come', async () => {
  bound.submit(60);
  const all = await sequences(60);
  await pass(2);
  for (const sequence of all.slice(50)) await answered(sequence);
  await pass(995);
  bound.submit(1);
  const [last] = (await sequences(61)).slice(-1);
  await pass(20);
  expect(bound.outcomes.filter((outcome) => outcome === 'lost')).toHaveLength(50);
  expect(bound.bind.isBound).toBe(false);
  await answered(last);
  await peer.untilReceived('unbind', 1);
});

test('no answer at all - the carrier counts as dead, everything open is lost, and the bind comes back', async () => {
  bound.submit(3);
  await sequences(3);
  await pass(999);
  expect(bound.bind.isBound).toBe(true);
  bound.submit(1);
  expect(bound.outcomes).toEqual([]);
  await pass(10);
  expect(bound.outcomes).toEqual(['lost', 'lost', 'lost', 'lost']);
  await peer.closed;
  await pass(100);
  await bound.untilBound(2);
});

test('a slow but steady carrier - is never taken for dead', async () => {
  bound.submit(8);
  const all = await sequences(8);
  for (const sequence of all.slice(0, 1)) {
    await pass(900);
    await answered(sequence);
  }
  for (const sequence of all.slice(1)) {
    await pass(10);
    await answered(sequence);
  }
  await pass(3_000);
  expect(bound.outcomes).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  expect(bound.bind.isBound).toBe(true);
});

test('an event loop that stood still - reads what has come before it judges', async () => {
  bound.submit(2);
  const all = await sequences(2);
  const armed = clock.armed;
  expect(armed).toBeGreaterThan(0);
  // The answers lie in the socket when time has passed; the timers are the first to know.
  const jump = clock.jump(10_000);
  for (const sequence of all) peer.answer(sequence);
  await jump;
  expect(bound.bind.isBound).toBe(true);
  await bound.untilAllEnded();
  await pass(50);
  expect(bound.outcomes).toEqual([0, 0]);
  expect(bound.bind.isBound).toBe(true);
});

test('idle - is asked by enquire_link after its silence, and an answer is enough', async () => {
  await pass(4_990);
  expect(peer.of('enquire_link')).toHaveLength(0);
  await pass(20);
  await peer.untilReceived('enquire_link', 1);
  peer.write(encodeHeaderOnly(commandId.enquire_link, 0, 9));
  await peer.untilReceived('enquire_link_resp', 1);
  await pass(4_900);
  expect(bound.bind.isBound).toBe(true);
});

test('a PDU that never ends - is no sign of life', async () => {
  carrier.onPdu = (from, pdu) => {
    if (pdu.commandId !== commandId.enquire_link) polite(from, pdu);
  };
  const start = Buffer.alloc(16);
  start.writeUInt32BE(50_000, 0);
  peer.write(start);
  for (let i = 0; i < 8; i++) {
    const { readies } = bound;
    if (!peer.socket.destroyed) peer.write(Buffer.alloc(10));
    await bound.until(() => bound.readies > readies || bound.bounds > 1);
    await pass(760);
  }
  await peer.closed;
  expect(peer.of('enquire_link')).toHaveLength(1);
});

test('a bind that is not answered, and an unbind that is not answered, end at their deadline', async () => {
  carrier.onPdu = () => undefined;
  const mute = new Bound(bindSettings(carrier.port, { responseMs: 1_000 }), clock);
  const second = await carrier.peer(1);
  await second.untilReceived('bind_transceiver', 1);
  await pass(1_010);
  await second.closed;
  mute.bind.abandon();

  const stopped = bound.bind.stop();
  await peer.untilReceived('unbind', 1);
  await pass(1_010);
  await stopped;
  await peer.closed;
});
