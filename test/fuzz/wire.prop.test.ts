/**
 * What a carrier may send, however it was spoilt: nothing throws, nothing is held without bound, every open request
 * ends once, and the reader goes on to the next PDU or says that the stream is lost.
 */
import assert from 'node:assert';
import fc from 'fast-check';
import { test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { readDeliverSm } from '../../src/smpp/deliver.ts';
import { Framer, type StreamLost } from '../../src/smpp/framing.ts';
import { decodePdu, encodeHeaderOnly, readHeader } from '../../src/smpp/pdu.ts';
import { readReceipt } from '../../src/smpp/receipt.ts';
import {
  type SessionAction,
  type SessionEvent,
  type SessionState,
  startSession,
  step,
} from '../../src/smpp/session.ts';
import { readSubmitResp, readSubmitSm } from '../../src/smpp/submit.ts';
import { Window } from '../../src/smpp/window.ts';
import { streams } from './bytes.ts';
import { fuzzed, fuzzTimeoutMs, keepingNothing } from './runs.ts';

const pduBytesMax = 73_728;
const windowSize = 32;

/** Reads as `carrier/link.ts` does, and every PDU with every reader besides. */
class Reader {
  readonly framer = new Framer(pduBytesMax);
  readonly window = new Window(windowSize);
  readonly ended = new Map<number, number>();
  readonly told: SessionAction[] = [];
  readonly frames: string[] = [];
  lost: StreamLost | undefined;
  #state: SessionState = startSession(
    {
      bindType: 'transceiver',
      link: { enquireLinkMs: 1_000, responseMs: 1_000, inactivityMs: 3_000 },
      connectMs: 1_000,
      bindMs: 1_000,
      unbindMs: 1_000,
    },
    0,
  );

  constructor() {
    this.#event({ kind: 'connected' });
    this.#event({ kind: 'pdu', commandId: commandId.bind_transceiver_resp, status: 0, sequence: 1 });
    for (let ticket = 0; ticket < windowSize; ticket++) this.window.open(ticket, 0);
  }

  get isClosed(): boolean {
    return this.#state.phase === 'closed';
  }

  /** A chunk, whose memory is used for something else afterwards. */
  read(chunk: Buffer): void {
    const bytes = Buffer.from(chunk);
    this.lost = this.framer.push(bytes, this);
    bytes.fill(0xee);
    if (this.lost !== undefined) this.#event({ kind: 'stream-lost' });
  }

  frame(buffer: Buffer, start: number, end: number): void {
    const bytes = Buffer.from(buffer.subarray(start, end));
    this.frames.push(bytes.toString('latin1'));
    const { commandId: command, status, sequence } = readHeader(buffer, start);
    readSubmitSm(buffer, start, end);
    readDeliverSm(buffer, start, end);
    readReceipt(buffer, start, end);
    decodePdu(bytes);
    assert(readSubmitResp(buffer, start, end).length <= end - start, 'an id is longer than its PDU');
    if (command === commandId.submit_sm_resp || command === commandId.generic_nack) {
      const ticket = this.window.settle(sequence);
      if (ticket >= 0) this.#end(ticket);
    }
    if (command !== commandId.submit_sm_resp && command !== commandId.deliver_sm)
      this.#event({ kind: 'pdu', commandId: command, status, sequence });
  }

  finish(): void {
    this.window.drain((ticket) => this.#end(ticket));
  }

  #end(ticket: number): void {
    this.ended.set(ticket, (this.ended.get(ticket) ?? 0) + 1);
  }

  #event(event: SessionEvent): void {
    const { state, actions } = step(this.#state, event, 1);
    this.#state = state;
    this.told.push(...actions);
  }
}

/** What ends the PDU of which the last `held` octets were read, if its length can be. */
function endOf(bytes: Buffer, held: number): Buffer {
  if (held === 0) return Buffer.alloc(0);
  const head = Buffer.of(0, 0, 0, 16);
  bytes.copy(head, 0, bytes.length - held, Math.min(bytes.length, bytes.length - held + head.length));
  const whole = Buffer.alloc(Math.min(head.readUInt32BE(0), pduBytesMax + 1));
  head.copy(whole);
  return whole.subarray(held);
}

const probe = 0x7eadbeef;
const isAnswer = (action: SessionAction) => action.kind === 'respond' && action.sequence === probe;
const asText = ({ frames, told, lost }: Reader) => `${frames.join()}${JSON.stringify([told, lost])}`;

test(
  'fuzz - whatever a carrier sends, the reader goes on or says that the stream is lost',
  async () => {
    let pdus = 0;
    await keepingNothing(() =>
      fc.assert(
        fc.property(streams, ({ bytes, chunks }) => {
          const reader = new Reader();
          for (const chunk of chunks) {
            reader.read(chunk);
            assert(reader.framer.heldBytes <= pduBytesMax, 'more is held than a PDU may have');
          }
          pdus += reader.frames.length;
          const whole = new Reader();
          whole.read(bytes);
          assert(asText(reader) === asText(whole), 'it depends on how TCP cut the bytes');
          reader.read(endOf(bytes, reader.framer.heldBytes));
          const isOpen = !reader.isClosed;
          reader.read(encodeHeaderOnly(commandId.enquire_link, 0, probe));
          assert(reader.told.some(isAnswer) === isOpen, 'the reader is frozen');
          reader.finish();
          const endings = [...reader.ended.values()];
          assert(endings.length === windowSize && endings.every((times) => times === 1), 'a request ended not once');
        }),
        fuzzed(),
      ),
    );
    process.stdout.write(`fuzz: ${pdus} spoilt PDUs were read\n`);
  },
  fuzzTimeoutMs,
);
