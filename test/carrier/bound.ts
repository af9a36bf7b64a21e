/** A bind under test: submits frames by number, and keeps how each ended. */
import { Bind, type AnswerDeliveries, type BindSettings, socketMeans } from '../../src/carrier/bind.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { silentLog } from '../../src/telemetry.ts';
import { framesOf, taskOf } from '../encode/batch.ts';

/** Settings of a patient bind that comes back quickly. */
export function bindSettings(port: number, changes: Partial<BindSettings> = {}): BindSettings {
  return {
    host: '127.0.0.1',
    port,
    systemId: 'tocsin',
    password: 'secret',
    systemType: '',
    bindType: 'transceiver',
    window: 100,
    enquireLinkMs: 30_000,
    responseMs: 30_000,
    ratePerSecond: 1e6,
    reconnectMs: 10,
    reconnectMsMax: 40,
    ...changes,
  };
}

const frames = framesOf(
  taskOf(Array.from({ length: 500 }, (_, i) => [`3363998${String(i).padStart(4, '0')}`, `A${i}`])),
);

type Ending = { readonly ticket: number; readonly status: number | 'lost'; readonly messageId: string };

/** A bind and all that it told. */
export class Bound {
  readonly bind: Bind;
  readonly endings: Ending[] = [];
  /** Answers that came after their deadlines. */
  readonly late: Ending[] = [];
  readonly delivered: { answer: AnswerDeliveries; sequence: number; bytes: Buffer }[] = [];
  bounds = 0;
  readies = 0;
  #next = 0;
  #waiting: { holds: () => boolean; resolve: () => void }[] = [];

  constructor(settings: BindSettings, clock: Clock = systemClock, log = silentLog) {
    const handlers = {
      answered: (_bind: Bind, ticket: number, status: number, messageId: string) =>
        this.#ended(ticket, status, messageId),
      lost: (ticket: number) => this.#ended(ticket, 'lost', ''),
      overdue: (_bind: Bind, ticket: number) => {
        this.#ended(ticket, 'lost', '');
        return (status: number, messageId: string) => {
          this.late.push({ ticket, status, messageId });
          this.#changed();
        };
      },
      delivered: (answer: AnswerDeliveries, sequence: number, buffer: Buffer, start: number, end: number) => {
        this.delivered.push({ answer, sequence, bytes: Buffer.from(buffer.subarray(start, end)) });
        this.#changed();
      },
      ready: () => {
        this.readies++;
        this.#changed();
      },
      bound: () => {
        this.bounds++;
        this.#changed();
      },
    };
    this.bind = new Bind(settings, handlers, clock, log, socketMeans);
  }

  /** Submits the next `count` frames; their tickets count from 0 over all calls. */
  submit(count: number): void {
    const from = this.#next;
    this.#next += count;
    this.bind.submit({ ...frames, from, to: this.#next, ticketBase: 0 });
  }

  get submitted(): number {
    return this.#next;
  }

  /** How the tickets ended, in order of the tickets; a ticket that ended twice is there twice. */
  get outcomes(): (number | 'lost')[] {
    return this.endings.toSorted((a, b) => a.ticket - b.ticket).map(({ status }) => status);
  }

  /** Resolves when `holds` becomes true; looked at whenever the bind says something. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ holds, resolve }));
  }

  async untilBound(times = 1): Promise<void> {
    await this.until(() => this.bounds >= times && this.bind.isBound);
  }

  /** Resolves when every ticket has ended. */
  async untilAllEnded(): Promise<void> {
    await this.until(() => this.endings.length >= this.#next);
  }

  #ended(ticket: number, status: number | 'lost', messageId: string): void {
    this.endings.push({ ticket, status, messageId });
    this.#changed();
  }

  #changed(): void {
    this.#waiting = this.#waiting.filter(({ holds, resolve }) => {
      if (holds()) resolve();
      return !holds();
    });
  }
}
