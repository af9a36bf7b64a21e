/**
 * The stream of commands to the planner. The API adds; planners read it as one group, so that each command is
 * one planner's. A command only says "look": PostgreSQL is the truth, and a lost one is found by the sweep.
 */
import type { Command, CommandQueue, Id } from '../handoff.ts';
import { planKeys } from './keys.ts';
import { blockMsMax, onReconnect, type RedisConnection } from './redis.ts';
import { type Script, script } from './script.ts';
import { forgetScript } from './scripts.ts';

/** After this time a command that nobody acknowledged is another planner's. */
const abandonedMs = 30_000;

type Entry = [id: string, fields: string[] | null];

/** Adds a command. */
export async function publishCommand(redis: RedisConnection, campaign: Id, command: Command['command']): Promise<void> {
  await redis.xadd(planKeys.campaigns, '*', 'campaign', campaign, 'command', command);
}

/** Commands for one planner. */
export class Commands implements CommandQueue {
  readonly #reading: RedisConnection;
  readonly #command: RedisConnection;
  readonly #planner: string;
  readonly #forgetEntry: Script;
  /** Where to look for what was delivered to us and not answered; `>` once all of that is done. */
  #from = '0';
  #isGrouped = false;
  #lookedForAbandonedMs = Number.NEGATIVE_INFINITY;

  /** `reading` blocks, so it is this reader's alone; it is read from its own pending list after each reconnect. */
  constructor(reading: RedisConnection, command: RedisConnection, planner: string) {
    this.#reading = reading;
    this.#command = command;
    this.#planner = planner;
    this.#forgetEntry = script(command, forgetScript);
    onReconnect(reading, () => {
      this.#from = '0';
      this.#isGrouped = false;
    });
  }

  /** See `CommandQueue`. */
  async next(): Promise<Command | undefined> {
    try {
      return await this.#next();
    } catch (error) {
      // Redis lost its data, or another node has them now: the group is made anew with the next call, where it is
      // gone, and what was given to us and did not arrive is asked for.
      this.#isGrouped = false;
      this.#from = '0';
      throw error;
    }
  }

  async #next(): Promise<Command | undefined> {
    await this.#group();
    // Only once our own are read: what is taken over becomes ours, and would be read a second time.
    const abandoned = this.#from === '>' ? await this.#abandoned() : undefined;
    if (abandoned !== undefined) return abandoned;
    const read = await this.#reading.xreadgroup(
      'GROUP',
      planKeys.group,
      this.#planner,
      'COUNT',
      1,
      'BLOCK',
      blockMsMax,
      'STREAMS',
      planKeys.campaigns,
      this.#from,
    );
    const entry = read?.[0]?.[1][0];
    if (entry === undefined) {
      this.#from = '>';
      return undefined;
    }
    if (this.#from !== '>') this.#from = entry[0];
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
    const reply = (await this.#command.xautoclaim(
      planKeys.campaigns,
      planKeys.group,
      this.#planner,
      abandonedMs,
      '0',
      'COUNT',
      1,
    )) as [string, Entry[]];
    const entry = reply[1][0];
    if (entry === undefined) {
      this.#lookedForAbandonedMs = nowMs;
      return undefined;
    }
    return await this.#read(entry);
  }

  async #read([entry, fields]: Entry): Promise<Command | undefined> {
    const valueOf = (name: string) => fields?.[fields.indexOf(name) + 1];
    const campaign = valueOf('campaign');
    const command = valueOf('command');
    if (campaign !== undefined && isVerb(command)) return { entry, campaign, command };
    await this.#forget(entry);
    return undefined;
  }

  async #forget(entry: string): Promise<void> {
    await this.#forgetEntry(planKeys.prefix, entry);
  }
}

function isVerb(text: string | undefined): text is Command['command'] {
  return text === 'launch' || text === 'pause' || text === 'resume' || text === 'cancel';
}
