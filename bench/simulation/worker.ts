/**
 * A worker in virtual time: everything that `cluster/worker.ts` has for each carrier, unchanged, with virtual
 * connections to virtual carriers, on a Redis whose clock is virtual.
 */
import { createLines, type Lines } from '../../cluster/lines.ts';
import { carrierSchema } from '../../config/carriers.ts';
import type { Carrier } from '../../config/load.ts';
import type { Settings } from '../../config/schema.ts';
import { encodeInPlace } from '../../src/encode/encode.ts';
import { turnOf } from '../../src/stream/slots.ts';
import type { Log } from '../../src/telemetry.ts';
import type { Contract, VirtualCarrier } from './carrier.ts';
import type { VirtualRedis } from './redis.ts';
import { VirtualProcess, type VirtualTime } from './time.ts';

/** What workers share. */
export type Surroundings = {
  readonly time: VirtualTime;
  readonly redis: VirtualRedis;
  readonly carriers: readonly VirtualCarrier[];
  readonly settings: Settings;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** A worker opens a bind of a carrier. */
  readonly opens: (carrier: number) => void;
  /** Lines of workers' logs, by event. */
  readonly events: Map<string, number>;
};

/** A contract as the carriers file has it. */
export function carrierOf({ name, binds, ratePerSecond, window, roundTripMs }: Contract): Carrier {
  const account = { systemId: 'tocsin', passwordEnv: 'X', host: 'carrier.invalid', port: 2775, prefixes: [''] };
  return {
    ...carrierSchema.parse({ ...account, name, binds, ratePerSecond, window, roundTripMs, receipts: false }),
    password: '',
  };
}

/** One worker process. */
export class VirtualWorker {
  readonly process: VirtualProcess;
  readonly index: number;
  readonly #lines: readonly Lines[];
  readonly #surroundings: Surroundings;
  isStopping = false;

  /** `name` is this process's alone. */
  constructor(name: string, index: number, surroundings: Surroundings) {
    const { time, redis, carriers, settings, random, opens, events } = surroundings;
    this.index = index;
    this.#surroundings = surroundings;
    this.process = new VirtualProcess(name, time);
    const connection = redis.connection(this.process);
    const log = countingLog(events);
    const names = carriers.map(({ contract }) => contract.name);
    this.#lines = carriers.map((carrier, number) =>
      createLines(carrierOf(carrier.contract), {
        worker: name,
        settings,
        redis: connection,
        subscribing: redis.connection(this.process),
        encode: encodeInPlace,
        turnOf: (one) => turnOf(names, one),
        means: {
          connect: (link, handlers) => {
            opens(number);
            return carrier.connect(this.process, link, handlers);
          },
          random,
        },
        clock: this.process,
        log,
      }),
    );
  }

  /** Slots of a carrier that it has binds for. */
  slots(carrier: number): number {
    const { contract } = this.#surroundings.carriers[carrier] as VirtualCarrier;
    return (this.#lines[carrier]?.pool.windowTotal ?? 0) / contract.window;
  }

  /** Begins its work. */
  async start(): Promise<void> {
    await Promise.all(this.#lines.map((lines) => lines.start()));
  }

  /** As on SIGTERM: drains, gives back, ends. */
  async stop(): Promise<void> {
    this.isStopping = true;
    const deadlineMs = this.process.monotonicMs() + this.#surroundings.settings.drainMs;
    await Promise.all(this.#lines.map((lines) => lines.stop(deadlineMs)));
    this.process.fate = 'dead';
  }

  /** As by SIGKILL. */
  kill(): void {
    this.process.fate = 'dead';
    for (const carrier of this.#surroundings.carriers) carrier.processDied(this.process);
  }
}

function countingLog(events: Map<string, number>): Log {
  const count = (event: string) => {
    events.set(event, (events.get(event) ?? 0) + 1);
  };
  const log: Log = {
    debug: () => undefined,
    info: count,
    warn: count,
    error: count,
    with: () => log,
  };
  return log;
}
