/** A carrier made by hand: a TCP server whose every word is the test's. It frames what it is sent, and no more. */
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { commandId } from '../../src/smpp/command.ts';
import { Framer } from '../../src/smpp/framing.ts';
import { encodeBindResp, encodeHeaderOnly, readHeader } from '../../src/smpp/pdu.ts';
import { submitRespBytes, writeSubmitResp } from '../../src/smpp/submit.ts';

export type PeerPdu = {
  readonly commandId: number;
  readonly status: number;
  readonly sequence: number;
  readonly bytes: Buffer;
};

/** One connection, seen from the carrier. */
export class Peer {
  readonly socket: Socket;
  readonly received: PeerPdu[] = [];
  readonly closed: Promise<void>;
  readonly #framer = new Framer(80_000);
  readonly #onPdu: (peer: Peer, pdu: PeerPdu) => void;
  #waiting: { holds: () => boolean; resolve: () => void }[] = [];

  constructor(socket: Socket, onPdu: (peer: Peer, pdu: PeerPdu) => void) {
    this.socket = socket;
    this.#onPdu = onPdu;
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    // What breaks a connection shows in `closed`.
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => this.#read(chunk));
  }

  of(command: keyof typeof commandId): PeerPdu[] {
    return this.received.filter((pdu) => pdu.commandId === commandId[command]);
  }

  /** Resolves when `holds` becomes true of what was received. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ holds, resolve }));
  }

  async untilReceived(command: keyof typeof commandId, count: number): Promise<PeerPdu[]> {
    await this.until(() => this.of(command).length >= count);
    return this.of(command);
  }

  /** Answers a submit_sm. */
  answer(sequence: number, status = 0): void {
    const bytes = Buffer.alloc(submitRespBytes(status, 20));
    const end = writeSubmitResp(bytes, 0, sequence, status, `id-${sequence}`);
    this.socket.write(bytes.subarray(0, end));
  }

  write(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  #read(chunk: Buffer): void {
    this.#framer.push(chunk, {
      frame: (buffer, start, end) => {
        const bytes = Buffer.from(buffer.subarray(start, end));
        const pdu = { ...readHeader(bytes, 0), bytes };
        this.received.push(pdu);
        this.#onPdu(this, pdu);
      },
    });
    this.#waiting = this.#waiting.filter(({ holds, resolve }) => {
      if (holds()) resolve();
      return !holds();
    });
  }
}

/** What a well-behaved carrier does besides answering submit_sm. */
export function polite(peer: Peer, { commandId: command, sequence }: PeerPdu): void {
  if (command === commandId.bind_transceiver) peer.write(encodeBindResp('transceiver', 'raw', 0, sequence));
  if (command === commandId.enquire_link) peer.write(encodeHeaderOnly(commandId.enquire_link_resp, 0, sequence));
  if (command === commandId.unbind) peer.write(encodeHeaderOnly(commandId.unbind_resp, 0, sequence));
}

/** A server of peers. */
export class RawCarrier {
  readonly peers: Peer[] = [];
  /** Answers PDUs; replace it before the connection whose manners it is. */
  onPdu: (peer: Peer, pdu: PeerPdu) => void = polite;
  onConnect: (peer: Peer) => void = () => undefined;
  readonly #server: Server;
  #waiting: { index: number; resolve: (peer: Peer) => void }[] = [];

  private constructor() {
    this.#server = createServer((socket) => {
      const peer = new Peer(socket, (from, pdu) => this.onPdu(from, pdu));
      this.peers.push(peer);
      this.onConnect(peer);
      const waiting = this.#waiting.filter(({ index }) => index < this.peers.length);
      this.#waiting = this.#waiting.filter(({ index }) => index >= this.peers.length);
      for (const { index, resolve } of waiting) resolve(this.peers[index] as Peer);
    });
  }

  static async start(): Promise<RawCarrier> {
    const carrier = new RawCarrier();
    await new Promise<void>((resolve) => carrier.#server.listen(0, '127.0.0.1', resolve));
    return carrier;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The connection with that index, from 0, once it is there. */
  peer(index: number): Promise<Peer> {
    const peer = this.peers[index];
    return peer === undefined
      ? new Promise((resolve) => this.#waiting.push({ index, resolve }))
      : Promise.resolve(peer);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const { socket } of this.peers) socket.destroy();
    await closed;
  }
}
