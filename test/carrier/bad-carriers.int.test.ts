/**
 * A bind against carriers that misbehave, over real sockets: whatever comes, the reader goes on, every ticket ends
 * once, as answered or as lost, and the bind comes back.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { commandStatus } from '../../src/smpp/command-status.ts';
import { encodeHeaderOnly } from '../../src/smpp/pdu.ts';
import { Bound, bindSettings } from './bound.ts';
import { polite, RawCarrier } from './raw-carrier.ts';

let carrier: RawCarrier;
const bounds: Bound[] = [];
beforeEach(async () => {
  carrier = await RawCarrier.start();
});
afterEach(async () => {
  for (const { bind } of bounds.splice(0)) bind.abandon();
  await carrier.stop();
});

function bindTo(changes: Parameters<typeof bindSettings>[1] = {}): Bound {
  const bound = new Bound(bindSettings(carrier.port, changes));
  bounds.push(bound);
  return bound;
}

const accepted = (count: number) => Array.from({ length: count }, () => 0);
const lost = (count: number) => Array.from({ length: count }, () => 'lost');

/** From now on the carrier behaves, and the bind must work. */
async function worksAgain(bound: Bound, times: number): Promise<void> {
  carrier.onConnect = () => undefined;
  carrier.onPdu = (peer, pdu) => {
    polite(peer, pdu);
    if (pdu.commandId === commandId.submit_sm) peer.answer(pdu.sequence);
  };
  await bound.untilBound(times);
  const before = bound.endings.length;
  bound.submit(5);
  await bound.untilAllEnded();
  expect(bound.endings.slice(before).map(({ status }) => status)).toEqual(accepted(5));
}

const header = (length: number) => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt32BE(commandId.submit_sm_resp, 4);
  return bytes;
};

test.each([
  ['bytes that are not SMPP', Buffer.from('\x00\x00\x00\x05garbage that goes on for quite some time')],
  ['a PDU of 4 GB', header(0xffffffff)],
  ['a PDU of 2 GB', header(0x7fffffff)],
  ['a PDU shorter than its header', header(15)],
  ['a PDU of no length', header(0)],
  ['an HTTP answer', Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')],
  ['a TLS alert', Buffer.from('15030300020228', 'hex')],
])('a bind that is sent %s loses what is open, says so to the carrier, and comes back', async (_what, bytes) => {
  const bound = bindTo();
  await bound.untilBound();
  const peer = await carrier.peer(0);
  bound.submit(10);
  const [first] = await peer.untilReceived('submit_sm', 10);
  peer.answer(first?.sequence ?? 0);
  peer.write(bytes);
  await bound.untilAllEnded();
  await peer.closed;
  expect(bound.outcomes).toEqual([0, ...lost(9)]);
  expect(peer.of('generic_nack').map(({ status }) => status)).toEqual([commandStatus.ESME_RINVCMDLEN]);
  await worksAgain(bound, 2);
});

test('a bind that is greeted by HTTP in place of a bind answer tries again', async () => {
  carrier.onPdu = () => undefined;
  carrier.onConnect = (peer) => peer.write('HTTP/1.1 400 Bad Request\r\n\r\n');
  const bound = bindTo();
  await carrier.peer(2);
  expect(bound.bind.isBound).toBe(false);
  await worksAgain(bound, 1);
});

test('half a PDU and then silence - what is open is lost at its deadline, and the bind comes back', async () => {
  const bound = bindTo({ responseMs: 150 });
  await bound.untilBound();
  const peer = await carrier.peer(0);
  bound.submit(7);
  await peer.untilReceived('submit_sm', 7);
  peer.write(header(40).subarray(0, 10));
  await bound.untilAllEnded();
  expect(bound.outcomes).toEqual(lost(7));
  await peer.closed;
  await worksAgain(bound, 2);
});

test('a carrier that takes connections and says nothing is left, and tried again', async () => {
  carrier.onPdu = () => undefined;
  const bound = bindTo({ responseMs: 100 });
  const first = await carrier.peer(0);
  await first.untilReceived('bind_transceiver', 1);
  await first.closed;
  await carrier.peer(1);
  await worksAgain(bound, 1);
});

test('a carrier that goes silent on an idle bind is asked, and left when it does not answer', async () => {
  const bound = bindTo({ enquireLinkMs: 100, responseMs: 100 });
  carrier.onPdu = (peer, pdu) => {
    if (pdu.commandId !== commandId.enquire_link) polite(peer, pdu);
  };
  const peer = await carrier.peer(0);
  await peer.untilReceived('enquire_link', 1);
  await peer.closed;
  await worksAgain(bound, 2);
});

test('a carrier that closes amid a window - what it answered is answered, the rest is lost, once each', async () => {
  const bound = bindTo();
  await bound.untilBound();
  const peer = await carrier.peer(0);
  bound.submit(10);
  const submits = await peer.untilReceived('submit_sm', 10);
  for (const { sequence } of submits.slice(0, 4)) peer.answer(sequence);
  peer.socket.end();
  await bound.untilAllEnded();
  expect(bound.outcomes).toEqual([...accepted(4), ...lost(6)]);
  await worksAgain(bound, 2);
});

test('a carrier that resets - everything open is lost', async () => {
  const bound = bindTo();
  await bound.untilBound();
  const peer = await carrier.peer(0);
  bound.submit(10);
  await peer.untilReceived('submit_sm', 10);
  peer.socket.resetAndDestroy();
  await bound.untilAllEnded();
  expect(bound.outcomes).toEqual(lost(10));
  await worksAgain(bound, 2);
});

test.each([
  ['a wrong password', commandStatus.ESME_RINVPASWD],
  ['an account that is bound already', commandStatus.ESME_RALYBND],
  ['its own trouble', commandStatus.ESME_RSYSERR],
])('a carrier that refuses the bind for %s is asked again until it agrees', async (_why, status) => {
  carrier.onPdu = (peer, { commandId: command, sequence }) => {
    if (command === commandId.bind_transceiver)
      peer.write(encodeHeaderOnly(commandId.bind_transceiver_resp, status, sequence));
  };
  const bound = bindTo();
  await carrier.peer(3);
  expect(bound.bounds).toBe(0);
  expect(carrier.peers.filter(({ socket }) => !socket.closed).length).toBeLessThanOrEqual(1);
  await worksAgain(bound, 1);
});

test('a carrier that unbinds is answered, what is open is lost, and the bind comes back', async () => {
  const bound = bindTo();
  await bound.untilBound();
  const peer = await carrier.peer(0);
  bound.submit(3);
  await peer.untilReceived('submit_sm', 3);
  peer.write(encodeHeaderOnly(commandId.unbind, 0, 77));
  await peer.closed;
  expect(peer.of('unbind_resp')).toMatchObject([{ sequence: 77, status: 0 }]);
  expect(bound.outcomes).toEqual(lost(3));
  await worksAgain(bound, 2);
});

test('answers in any order, twice, and to what was never asked, end each ticket once', async () => {
  const bound = bindTo();
  await bound.untilBound();
  const peer = await carrier.peer(0);
  bound.submit(6);
  const sequences = (await peer.untilReceived('submit_sm', 6)).map(({ sequence }) => sequence);
  for (const sequence of [...sequences.toReversed(), ...sequences, 0, 999_999, 0x7fffffff, 0xffffffff])
    peer.answer(sequence);
  await bound.untilAllEnded();
  bound.submit(1);
  const last = (await peer.untilReceived('submit_sm', 7)).at(-1);
  peer.answer(last?.sequence ?? 0);
  await bound.untilAllEnded();
  expect(bound.outcomes).toEqual(accepted(7));
  expect(bound.bind.inFlight).toBe(0);
  expect(bound.endings[0]?.messageId).toBe(`id-${sequences.at(-1)}`);
});

test('refusals come with their status, also as generic_nack, which is never an acceptance', async () => {
  const bound = bindTo();
  await bound.untilBound();
  const peer = await carrier.peer(0);
  bound.submit(4);
  const [a, b, c, d] = (await peer.untilReceived('submit_sm', 4)).map(({ sequence }) => sequence);
  peer.answer(a as number, commandStatus.ESME_RTHROTTLED);
  peer.answer(b as number, commandStatus.ESME_RINVDSTADR);
  peer.write(encodeHeaderOnly(commandId.generic_nack, commandStatus.ESME_RINVCMDID, c as number));
  peer.write(encodeHeaderOnly(commandId.generic_nack, 0, d as number));
  await bound.untilAllEnded();
  const [, , , nack] = bound.outcomes;
  expect(bound.outcomes.slice(0, 3)).toEqual([
    commandStatus.ESME_RTHROTTLED,
    commandStatus.ESME_RINVDSTADR,
    commandStatus.ESME_RINVCMDID,
  ]);
  expect(nack).not.toBe(0);
  expect(bound.endings.every(({ messageId }) => messageId === '')).toBe(true);
});

test('unknown commands are answered by generic_nack, odd ones are passed by, and the bind stands', async () => {
  const bound = bindTo();
  await bound.untilBound();
  const peer = await carrier.peer(0);
  peer.write(encodeHeaderOnly(0x00000f0f, 0, 41));
  peer.write(encodeHeaderOnly(commandId.outbind, 0, 42));
  peer.write(encodeHeaderOnly(commandId.alert_notification, 0, 43));
  peer.write(encodeHeaderOnly(0x80000f0f, 0, 44));
  peer.write(encodeHeaderOnly(commandId.enquire_link, 0, 45));
  await peer.untilReceived('enquire_link_resp', 1);
  expect(peer.of('generic_nack')).toMatchObject([{ sequence: 41, status: commandStatus.ESME_RINVCMDID }]);
  bound.submit(1);
  const [submit] = await peer.untilReceived('submit_sm', 1);
  peer.answer(submit?.sequence ?? 0);
  await bound.untilAllEnded();
  expect(bound.outcomes).toEqual([0]);
});

test('a carrier that stops reading - no more is written than the socket may hold, until it reads', async () => {
  const bound = bindTo({ window: 5_000 });
  await bound.untilBound();
  const peer = await carrier.peer(0);
  const taken: number[] = [];
  carrier.onPdu = (from, pdu) => {
    if (pdu.commandId === commandId.submit_sm) taken.push(pdu.sequence);
    else polite(from, pdu);
  };
  peer.socket.pause();
  const { bind } = bound;
  // The same few frames over and over: what counts is that room ends before the window does.
  let written = 0;
  const big = Buffer.alloc(60_000, 'x');
  const submitBig = () => {
    const bytes = Buffer.concat([encodeHeaderOnly(commandId.submit_sm, 0, 0), big]);
    bytes.writeUInt32BE(bytes.length, 0);
    bind.submit({ bytes, offsets: Uint32Array.of(0, bytes.length), from: 0, to: 1, ticketBase: written++ });
  };
  while (bind.room > 0 && written < 4_000) submitBig();
  expect(bind.room).toBe(0);
  expect(written).toBeLessThan(4_000);
  peer.socket.resume();
  await bound.until(() => bind.room > 0);
  submitBig();
  await peer.until(() => taken.length === written);
  for (const sequence of taken) peer.answer(sequence);
  await bound.until(() => bound.endings.length === written);
  expect(bound.outcomes).toEqual(accepted(written));
});

test('rebind - answers that are on their way are waited for, then the bind is made anew', async () => {
  const bound = bindTo();
  await bound.untilBound();
  const peer = await carrier.peer(0);
  bound.submit(6);
  const sequences = (await peer.untilReceived('submit_sm', 6)).map(({ sequence }) => sequence);
  bound.bind.rebind();
  bound.bind.rebind();
  expect(bound.bind.room).toBe(0);
  for (const sequence of sequences)
    peer.answer(sequence, sequence === sequences[1] ? commandStatus.ESME_RINVBNDSTS : 0);
  await bound.untilAllEnded();
  await peer.closed;
  expect(bound.outcomes).toEqual([0, commandStatus.ESME_RINVBNDSTS, 0, 0, 0, 0]);
  expect(peer.of('unbind')).toHaveLength(1);
  await worksAgain(bound, 2);
});

test('stop - waits for the answers that are due, unbinds, and does not come back', async () => {
  const bound = bindTo();
  await bound.untilBound();
  const peer = await carrier.peer(0);
  bound.submit(4);
  const submits = await peer.untilReceived('submit_sm', 4);
  const stopped = bound.bind.stop();
  expect(bound.bind.room).toBe(0);
  for (const { sequence } of submits) peer.answer(sequence);
  await stopped;
  await peer.closed;
  expect(bound.outcomes).toEqual(accepted(4));
  expect(peer.of('unbind')).toHaveLength(1);
  expect(carrier.peers).toHaveLength(1);
});

test('stop - while nothing answers it ends with `abandon`, and between two attempts at once', async () => {
  const bound = bindTo();
  await bound.untilBound();
  const peer = await carrier.peer(0);
  bound.submit(4);
  await peer.untilReceived('submit_sm', 4);
  const stopped = bound.bind.stop();
  bound.bind.abandon();
  await stopped;
  await peer.closed;
  expect(bound.outcomes).toEqual(lost(4));

  const idle = bindTo({ port: 1, reconnectMs: 60_000, reconnectMsMax: 60_000 });
  await idle.bind.stop();
  expect(idle.bounds).toBe(0);
});

test('any bytes at any moment - every ticket ends once, and the bind comes back', async () => {
  const word = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 60 }).map((octets) => Buffer.from(octets)),
    fc
      .tuple(fc.constantFrom(...Object.values(commandId)), fc.nat(0xff), fc.nat(40), fc.uint8Array({ maxLength: 40 }))
      .map(([command, status, sequence, body]) => {
        const bytes = Buffer.concat([encodeHeaderOnly(command, status, sequence), body]);
        bytes.writeUInt32BE(bytes.length, 0);
        return bytes;
      }),
  );
  const turns = fc.array(fc.record({ submit: fc.nat(5), answer: fc.nat(5), word: fc.option(word) }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(turns, async (all) => {
      carrier.onPdu = polite;
      const bound = bindTo();
      const index = carrier.peers.length;
      const peer = await carrier.peer(index);
      await bound.untilBound();
      for (const turn of all) {
        if (turn.submit > 0 && bound.bind.room >= turn.submit) bound.submit(turn.submit);
        for (const { sequence } of peer.of('submit_sm').slice(0, turn.answer)) peer.answer(sequence);
        if (turn.word !== null) peer.write(turn.word);
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (const { socket } of carrier.peers) socket.destroy();
      await bound.untilAllEnded();
      const tickets = bound.endings.map(({ ticket }) => ticket).toSorted((a, b) => a - b);
      expect(tickets).toEqual(Array.from({ length: bound.submitted }, (_, ticket) => ticket));
      await bound.untilBound(2);
      bound.bind.abandon();
    }),
    { numRuns: 40, endOnFailure: true },
  );
});
