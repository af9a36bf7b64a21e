/**
 * Gives up what waits under names that an account had when it was divided otherwise, as if that carrier were away:
 * planners give it to the shards of now. Main thread of the worker.
 */
import type { Carrier } from '../config/load.ts';
import { Loop } from '../src/loop.ts';
import type { Sender } from '../src/send/sender.ts';
import type { Service } from '../src/service.ts';
import { carriersWithWork } from '../src/stream/backlog.ts';
import { carriersHeld } from '../src/stream/slots.ts';
import { listenForWakes } from '../src/stream/wake.ts';
import { otherNamesOf } from './division.ts';
import { consumerOf, senderOf, type WorkerParts } from './lines.ts';

/** Pause between looks for what is left: planners of before may still be at work, and campaigns be resumed. */
const lookMs = 15_000;
/** Nothing is ever written. */
const noBinds = { boundCount: 0, windowTotal: 0, ratePerSecond: 0, pump: () => undefined };

type GivingUp = { readonly sender: Sender; readonly hearNoMore: () => void };

/** Gives up what waits under names of accounts that are no more. */
export class Leftovers implements Service {
  readonly name = 'leftovers';
  readonly #parts: WorkerParts;
  /** One shard of each account, by the other names. */
  readonly #carriers: ReadonlyMap<string, Carrier>;
  readonly #givingUp = new Map<string, GivingUp>();
  readonly #loop: Loop;

  constructor(carriers: readonly Carrier[], parts: WorkerParts) {
    const othersOf = otherNamesOf(carriers.map(({ name }) => name));
    this.#carriers = new Map(carriers.flatMap((carrier) => othersOf(carrier.name).map((name) => [name, carrier])));
    this.#parts = parts;
    const { clock, log } = parts;
    this.#loop = new Loop({ name: 'leftovers', pauseMs: lookMs, action: () => this.#look(), clock, log });
  }

  /** Begins to look. */
  async start(): Promise<void> {
    this.#loop.start();
  }

  /** Takes nothing more, and records what is given up. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    for (const { sender, hearNoMore } of this.#givingUp.values()) {
      await sender.finish();
      hearNoMore();
    }
  }

  async #look(): Promise<void> {
    const { redis } = this.#parts;
    const names = [...this.#carriers.keys()].filter((name) => !this.#givingUp.has(name));
    const left = await carriersWithWork(redis, names);
    const held = await carriersHeld(redis, left);
    for (const name of left) if (!held.includes(name)) await this.#begin(name);
  }

  async #begin(name: string): Promise<void> {
    const { log, subscribing } = this.#parts;
    const carrier = this.#carriers.get(name);
    if (carrier === undefined) return;
    log.warn('leftovers.given-up', { carrier: name });
    const sender = senderOf({ ...carrier, name }, consumerOf(name, this.#parts), noBinds, this.#parts);
    sender.setAway(true);
    const hearNoMore = await listenForWakes(subscribing, name, (wake) => {
      if (wake.kind === 'state') sender.setState(wake.campaign, wake.state);
      else if (wake.kind === 'claim') void sender.claim();
      else sender.wake();
    });
    this.#givingUp.set(name, { sender, hearNoMore });
    sender.start();
  }
}
