/**
 * A TCP proxy on loopback with toxics, between a process and what it talks to: latency, blackhole, reset, slicer,
 * refusal, and a tripwire that holds the line at the very bytes that a fault is to hit. Runs in the test's process.
 * Holds back what a peer does not take: its memory is bounded by the sockets' own buffers.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { commandId } from '../../src/smpp/command.ts';

/** `up` is from the process to the server. */
export type Direction = 'up' | 'down';

/** What is wrong with the line. Changes hold for open connections too. */
export type Toxics = {
  /** Each chunk arrives so much later. */
  readonly latencyMs: number;
  /** Bytes arrive in pieces of this size; 0: as they come. */
  readonly sliceBytes: number;
  /** New connections are reset. */
  readonly refuse: boolean;
  /** Every submit_sm_resp arrives twice. The line must be one of SMPP, poisoned before it was connected. */
  readonly answersTwice: boolean;
};

const clean: Toxics = { latencyMs: 0, sliceBytes: 0, refuse: false, answersTwice: false };

/** A place in the traffic that was reached; the line is held until `release`. */
export type Tripped = { readonly release: () => void };

/** What a line is held at; several may watch for the same. */
export type Tripwire = {
  readonly bytes: Buffer;
  readonly direction: Direction;
  /** Hits to let pass before it trips. */
  left: number;
  isTripped: boolean;
  readonly trip: (tripped: Tripped) => void;
};

type Pair = { readonly client: Socket; readonly server: Socket };

/** One listening port and where it leads. */
export class Proxy {
  readonly port: number;
  /** Port on loopback that new connections lead to. */
  target: number;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  #toxics = clean;
  /** While present, nothing passes. */
  #dark: { readonly over: Promise<void>; readonly end: () => void } | undefined;
  #tripwires: Tripwire[] = [];

  private constructor(listener: Server, target: number) {
    this.#listener = listener;
    this.target = target;
    this.port = (listener.address() as AddressInfo).port;
    listener.on('connection', (client: Socket) => this.#accept(client));
  }

  /** Listens on a free port of loopback and leads to `target`. */
  static async open(target: number): Promise<Proxy> {
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new Proxy(listener, target);
  }

  /** Open connections. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Poisons the line. */
  poison(toxics: Partial<Toxics>): void {
    this.#toxics = { ...this.#toxics, ...toxics };
  }

  /** Nothing passes either way, and nobody is told: a cable that was cut. What was sent arrives after `heal`. */
  blackhole(): void {
    if (this.#dark !== undefined) return;
    let end: () => void = () => undefined;
    const over = new Promise<void>((resolve) => (end = resolve));
    this.#dark = { over, end };
  }

  /** Slips bytes into what every open connection is sent from the server. */
  inject(bytes: Buffer): void {
    for (const { client } of this.#pairs) client.write(bytes);
  }

  /** Resets every open connection. */
  reset(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Takes every toxic and tripwire away. */
  heal(): void {
    this.#toxics = clean;
    this.#dark?.end();
    this.#dark = undefined;
    this.#tripwires = [];
  }

  /**
   * Resolves at the `nth` chunk that holds `bytes`; that chunk, and what follows it on its connection, is held until
   * the result is released. Bytes that are parted between two chunks are not seen.
   */
  tripwire(bytes: string, direction: Direction, nth = 1): Promise<Tripped> {
    return new Promise((trip) => {
      this.watch({ bytes: Buffer.from(bytes, 'latin1'), direction, left: nth - 1, isTripped: false, trip });
    });
  }

  /** Watches for what trips a wire. */
  watch(wire: Tripwire): void {
    this.#tripwires.push(wire);
  }

  /** Ends every connection and the port. */
  async close(): Promise<void> {
    this.heal();
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    this.#listener.close();
    await once(this.#listener, 'close');
  }

  #accept(client: Socket): void {
    if (this.#toxics.refuse) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    client.on('close', () => this.#pairs.delete(pair));
    this.#pump(client, server, 'up');
    this.#pump(server, client, 'down');
  }

  #pump(from: Socket, to: Socket, direction: Direction): void {
    let busy: Promise<void> = Promise.resolve();
    let waiting = 0;
    const twice = direction === 'down' && this.#toxics.answersTwice ? doubler() : undefined;
    from.on('data', (came: Buffer) => {
      const chunk = twice?.(came) ?? came;
      if (waiting === 0 && this.#isClear(chunk, direction)) {
        if (to.write(chunk) || to.destroyed) return;
        from.pause();
        to.once('drain', () => from.resume());
        return;
      }
      waiting++;
      from.pause();
      busy = busy.then(async () => {
        await this.#pass(chunk, to, direction);
        waiting--;
        if (waiting === 0) from.resume();
      });
    });
    from.on('end', () => void busy.then(() => to.end()));
    from.on('error', () => to.destroy());
    from.on('close', () => void busy.then(() => to.destroySoon()));
  }

  #isClear(chunk: Buffer, direction: Direction): boolean {
    const { latencyMs, sliceBytes } = this.#toxics;
    if (this.#dark !== undefined || latencyMs > 0 || sliceBytes > 0) return false;
    return !this.#tripwires.some((wire) => wire.direction === direction && chunk.includes(wire.bytes));
  }

  async #pass(chunk: Buffer, to: Socket, direction: Direction): Promise<void> {
    for (const wire of this.#tripwires.filter((w) => w.direction === direction && chunk.includes(w.bytes))) {
      if (!wire.isTripped && wire.left-- > 0) continue;
      this.#tripwires = this.#tripwires.filter((other) => other !== wire);
      if (wire.isTripped) continue;
      wire.isTripped = true;
      await new Promise<void>((release) => wire.trip({ release }));
    }
    if (this.#toxics.latencyMs > 0) await delay(this.#toxics.latencyMs);
    const size = this.#toxics.sliceBytes === 0 ? chunk.length : this.#toxics.sliceBytes;
    for (let from = 0; from < chunk.length && !to.destroyed; from += size) {
      while (this.#dark !== undefined) await this.#dark.over;
      if (to.destroyed) return;
      if (!to.write(chunk.subarray(from, from + size))) await Promise.race([once(to, 'drain'), once(to, 'close')]);
      if (size < chunk.length) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Doubles every submit_sm_resp of a stream of PDUs; holds a PDU until all of it is there. */
function doubler(): (chunk: Buffer) => Buffer {
  let held: Buffer = Buffer.alloc(0);
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    const out: Buffer[] = [];
    for (let end = 0; held.length >= 16; held = held.subarray(end)) {
      end = held.readUInt32BE(0);
      if (end > held.length) break;
      const pdu = held.subarray(0, end);
      out.push(pdu);
      if (pdu.readUInt32BE(4) === commandId.submit_sm_resp) out.push(pdu);
    }
    return Buffer.concat(out);
  };
}
