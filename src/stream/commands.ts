/**
 * The stream of commands to the planner. The API adds; planners read it as one group, so that each command is
 * one planner's. A command only says "look": PostgreSQL is the truth, and a lost one is found by the sweep.
 */
import type { Redis } from 'ioredis';
import type { Command, CommandQueue, Id } from '../handoff.ts';
import { fieldOf } from './entry.ts';
import { planKeys } from './keys.ts';
import { blockMsMax } from './redis.ts';

/** Commands waiting at most; older ones are found by the planner's sweep of PostgreSQL. */
const commandsMax = 100_000;
/** After this time a command that nobody acknowledged is another planner's. */
const abandonedMs = 30_000;

type Entry = [Buffer, Buffer[] | null];

/** Adds a command. */
export async function publishCommand(redis: Redis, campaign: Id, command: Command['command']): Promise<void> {
  await redis.xadd(
    planKeys.campaigns, 'MAXLEN', '~', commandsMax, '*', 'campaign', campaign, 'command', command,
  );
}

/** Commands for one planner. */
export class Commands implements CommandQueue {
  readonly #reading: Redis;
  readonly #command: Redis;
  readonly #planner: string;
  /** Where to look for what was delivered to us and not answered; `>` once all of that is done. */
  #from = '0';
  #isGrouped = false;
  #lookedForAbandonedMs = 0;

  /** `reading` blocks, so it is this reader's alone; it is read from its own pending list after each reconnect. */
  constructor(reading: Redis, command: Redis, planner: string) {
    this.#reading = reading;
    this.#command = command;
    this.#planner = planner;
    reading.on('ready', () => {
      this.#from = '0';
      this.#isGrouped = false;
    });
  }

  /** See `CommandQueue`. */
  async next(): Promise<Command | undefined> {
    await this.#group();
    const abandoned = await this.#abandoned();
    if (abandoned !== undefined) return abandoned;
    const read = (await this.#reading.callBuffer(
      'XREADGROUP', 'GROUP', planKeys.group, this.#planner, 'COUNT', '1', 'BLOCK', String(blockMsMax),
      'STREAMS', planKeys.campaigns, this.#from,
    )) as [Buffer, Entry[]][] | null;
    const entry = read?.[0]?.[1][0];
    if (entry === undefined) {
      this.#from = '>';
      return undefined;
    }
    if (this.#from !== '>') this.#from = entry[0].toString();
    return await this.#read(entry);
  }

  /** See `CommandQueue`. */
  async done(command: Command): Promise<void> {
    await this.#forget(command.entry);
  }

  async #group(): Promise<void> {
    if (this.#isGrouped) return;
    try {
      await this.#command.xgroup('CREATE', planKeys.campaigns, planKeys.group, '0', 'MKSTREAM');
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
    }
    this.#isGrouped = true;
  }

  async #abandoned(): Promise<Command | undefined> {
    const nowMs = performance.now();
    if (nowMs - this.#lookedForAbandonedMs < abandonedMs / 3) return undefined;
    const reply = (await this.#command.callBuffer(
      'XAUTOCLAIM', planKeys.campaigns, planKeys.group, this.#planner, String(abandonedMs), '0', 'COUNT', '1',
    )) as [Buffer, Entry[]];
    const entry = reply[1][0];
    if (entry === undefined) {
      this.#lookedForAbandonedMs = nowMs;
      return undefined;
    }
    return await this.#read(entry);
  }

  async #read([id, fields]: Entry): Promise<Command | undefined> {
    const entry = id.toString();
    const campaign = fieldOf(fields ?? [], 'campaign')?.toString();
    const command = fieldOf(fields ?? [], 'command')?.toString();
    if (campaign === undefined || !isVerb(command)) {
      await this.#forget(entry);
      return undefined;
    }
    return { entry, campaign, command };
  }

  async #forget(entry: string): Promise<void> {
    await this.#command
      .multi()
      .xack(planKeys.campaigns, planKeys.group, entry)
      .xdel(planKeys.campaigns, entry)
      .exec();
  }
}

function isVerb(text: string | undefined): text is Command['command'] {
  return text === 'launch' || text === 'pause' || text === 'resume' || text === 'cancel';
}
