/**
 * A bare ESME for tests of the simulator: it sends what it is told and keeps every PDU that comes back, in order.
 * Nothing here is shared with the sender under test but the codecs.
 */
import { connect, type Socket } from 'node:net';
import { commandId } from '../../src/smpp/command.ts';
import { deliverRespBytes, writeDeliverResp } from '../../src/smpp/deliver.ts';
import { Framer } from '../../src/smpp/framing.ts';
import { type BindType, encodeBind, readHeader } from '../../src/smpp/pdu.ts';
import { readReceipt } from '../../src/smpp/receipt.ts';
import {
  readSubmitResp,
  type SubmitFields,
  submitSmBytes,
  writeSequence,
  writeSubmitSm,
} from '../../src/smpp/submit.ts';

export type ReceivedPdu = {
  readonly commandId: number;
  readonly status: number;
  readonly sequence: number;
  readonly bytes: Buffer;
};

export const plainSubmit: SubmitFields = {
  serviceType: '',
  sourceTon: 5,
  sourceNpi: 0,
  source: 'TOWN',
  destinationTon: 1,
  destinationNpi: 1,
  destination: '33700900123',
  esmClass: 0,
  protocolId: 0,
  priority: 0,
  scheduleDelivery: '',
  validityPeriod: '',
  registeredDelivery: 1,
  replaceIfPresent: 0,
  dataCoding: 0,
  shortMessage: Buffer.from('hello'),
};

/** A submit_sm as a frame with its sequence_number. */
export function submitFrame(sequence: number, changes: Partial<SubmitFields> = {}): Buffer {
  const fields = { ...plainSubmit, ...changes };
  const frame = Buffer.alloc(submitSmBytes(fields));
  writeSubmitSm(frame, 0, fields);
  writeSequence(frame, 0, sequence);
  return frame;
}

export class Esme {
  readonly received: ReceivedPdu[] = [];
  /** command_status that receipts are answered with; undefined leaves them unanswered. */
  receiptStatus: number | undefined = 0;
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #framer = new Framer(70_000);
  #waiting: { holds: () => boolean; resolve: () => void }[] = [];

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', () => resolve());
    });
    // What breaks a connection shows in `closed`.
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('data', (chunk) => this.#read(chunk));
  }

  static async bound(port: number, type: BindType = 'transceiver', systemId = 'town'): Promise<Esme> {
    const esme = new Esme(port);
    await esme.bind(type, systemId);
    return esme;
  }

  async bind(type: BindType, systemId = 'town', password = 'secret'): Promise<ReceivedPdu> {
    const fields = { type, systemId, password, systemType: '', addrTon: 0, addrNpi: 0, addressRange: '' };
    this.write(encodeBind(fields, 1));
    const isResponse = (pdu: ReceivedPdu) => pdu.sequence === 1 && pdu.commandId >= 0x80000001;
    await this.until(() => this.received.some(isResponse));
    return this.received.find(isResponse) as ReceivedPdu;
  }

  write(...frames: Buffer[]): void {
    this.#socket.write(Buffer.concat(frames));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  of(command: number): ReceivedPdu[] {
    return this.received.filter((pdu) => pdu.commandId === command);
  }

  /** Answers to submit_sm in the order of their arrival. */
  get answers(): { sequence: number; status: number; messageId: string }[] {
    return this.of(commandId.submit_sm_resp).map(({ sequence, status, bytes }) => ({
      sequence,
      status,
      messageId: readSubmitResp(bytes, 0, bytes.length),
    }));
  }

  get receipts(): { rawId: string; state: string }[] {
    return this.of(commandId.deliver_sm).map(({ bytes }) => {
      const receipt = readReceipt(bytes, 0, bytes.length);
      if (receipt.kind !== 'receipt') throw new Error(`a ${receipt.kind} deliver_sm`);
      return receipt;
    });
  }

  /** Resolves when `holds` becomes true of what has been received. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push({ holds, resolve });
    });
  }

  #read(chunk: Buffer): void {
    this.#framer.push(chunk, {
      frame: (buffer, start, end) => {
        const bytes = Buffer.from(buffer.subarray(start, end));
        const pdu = { ...readHeader(bytes, 0), bytes };
        this.received.push(pdu);
        if (pdu.commandId === commandId.deliver_sm && this.receiptStatus !== undefined) {
          const answer = Buffer.alloc(deliverRespBytes);
          writeDeliverResp(answer, 0, pdu.sequence, this.receiptStatus);
          this.#socket.write(answer);
        }
      },
    });
    this.#waiting = this.#waiting.filter(({ holds, resolve }) => {
      if (!holds()) return true;
      resolve();
      return false;
    });
  }
}
