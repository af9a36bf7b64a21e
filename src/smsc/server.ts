/**
 * The carrier simulator: an SMSC that speaks SMPP 3.4, with limits, faults and receipts that can be changed while it
 * runs. Runs in tests or as a process of its own (`cluster/smsc.ts`), on one thread. It must never be the
 * slowest part of what it measures, and its log must never miss what it received.
 */
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { type Clock, systemClock } from '../clock.ts';
import { type Behaviour, checkBehaviour, plainBehaviour } from './behaviour.ts';
import { Carrier, type SmscAccount } from './carrier.ts';
import { Connection } from './connection.ts';
import { type Control, startControl } from './control.ts';
import { closeServer, listen } from './listening.ts';
import { SmscLog } from './log.ts';
import { recall, remember } from './memory.ts';
import type { SmscStats } from './stats.ts';

export type { Behaviour } from './behaviour.ts';
export type { SmscAccount } from './carrier.ts';
export type { SmscStats } from './stats.ts';

/** What a simulator is started with. */
export type SmscOptions = {
  /** Who may bind; at least one. */
  readonly accounts: readonly SmscAccount[];
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** Loopback by default. */
  readonly host?: string;
  /** Differences from `plainBehaviour`. */
  readonly behaviour?: Partial<Behaviour>;
  /** Of every chance; 1 by default. */
  readonly seed?: number;
  /** File of the log; none is kept by default. */
  readonly log?: string;
  /** File that keeps receipts and message ids over an orderly restart; none by default. */
  readonly memory?: string;
  /** HTTP control on loopback; 0 takes a free port, nothing by default. */
  readonly httpPort?: number;
  /** PEM texts; with them the port speaks TLS. With `clientCa` clients must show a certificate of that authority. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string };
  readonly clock?: Clock;
};

/** A running simulator. */
export type Smsc = {
  readonly port: number;
  readonly httpPort: number | undefined;
  stats(): SmscStats;
  behaviour(): Behaviour;
  /** Changes some of its behaviour from now on. Throws a `Fault` of code `input` for what is no behaviour. */
  setBehaviour(changes: Partial<Behaviour>): void;
  /** Breaks every connection without a word. */
  disconnectAll(): void;
  /** Sends an enquire_link to every connection. */
  enquireAll(): void;
  /** Writes any bytes to every connection. */
  broadcast(bytes: Buffer): void;
  /** Resolves with the counts as soon as `holds` is true of them; never, when it never is. */
  waitFor(holds: (stats: SmscStats) => boolean): Promise<SmscStats>;
  /** Breaks every connection, frees the ports and closes the log. Safe to call twice. */
  stop(): Promise<void>;
};

/** Longest PDU: a message_payload of 64 KiB and its fields. */
const pduBytesMax = 70_000;

/**
 * Starts a simulator; it is listening when the promise resolves. Throws a `Fault` of code `start` when a port or
 * the log cannot be had, of code `input` when the behaviour is wrong.
 */
export async function startSmsc(options: SmscOptions): Promise<Smsc> {
  let behaviour: Behaviour = { ...plainBehaviour, ...checkBehaviour(options.behaviour ?? {}) };
  const { accounts, seed = 1, clock = systemClock } = options;
  const log = new SmscLog(options.log);
  const carrier = new Carrier({ accounts, behaviour, seed, log, clock, memory: recall(options.memory) });
  const connections = new Set<Connection>();
  const accept = (socket: Socket) => {
    const connection = new Connection(socket, carrier, pduBytesMax);
    if (behaviour.refuseConnections) {
      connection.destroy();
      return;
    }
    connections.add(connection);
    socket.on('close', () => connections.delete(connection));
  };
  const server = options.tls === undefined ? createServer(accept) : createTlsServer(tlsOptions(options.tls), accept);
  // A peer in the middle of a TLS handshake has no connection yet, and must not keep the server from closing.
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const host = options.host ?? '127.0.0.1';
  const smsc = {
    port: 0,
    httpPort: undefined as number | undefined,
    stats: () => carrier.stats(),
    behaviour: () => behaviour,
    setBehaviour(changes: Partial<Behaviour>) {
      behaviour = { ...behaviour, ...checkBehaviour(changes) };
      carrier.setBehaviour(behaviour);
    },
    disconnectAll() {
      for (const connection of connections) connection.destroy();
    },
    enquireAll() {
      for (const connection of connections) connection.enquire();
    },
    broadcast(bytes: Buffer) {
      for (const connection of connections) connection.write(bytes);
    },
    waitFor: (holds: (stats: SmscStats) => boolean) => carrier.waitFor(holds),
  };
  let control: Control | undefined;
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    const closed = closeServer(server);
    const ended = Array.from(connections, (connection) => connection.closed);
    for (const socket of sockets) socket.destroy();
    // A server counts as closed a moment before its connections do.
    await Promise.all([closed, ...ended]);
    await control?.close();
    if (options.memory !== undefined) remember(options.memory, carrier.takeMemory());
    carrier.close();
  };
  try {
    smsc.port = await listen(server, options.port ?? 0, host);
    if (options.httpPort !== undefined) control = await startControl(smsc, options.httpPort);
  } catch (error) {
    await stop();
    throw error;
  }
  smsc.httpPort = control?.port;
  return { ...smsc, stop: () => (stopped ??= stop()) };
}

function tlsOptions({ key, cert, clientCa }: NonNullable<SmscOptions['tls']>) {
  return { key, cert, ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true }) };
}
