/**
 * Redis in virtual time: a real server that runs the real scripts, whose clock and entry ids are read from a key.
 * Each virtual millisecond what all processes ask goes to it in one pipeline, in the order in which it was asked;
 * answers and signals are there a millisecond later.
 */
import assert from 'node:assert';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { Redis } from 'ioredis';
import type { RedisConnection } from '../../src/stream/redis.ts';
import * as ofBatches from '../../src/stream/scripts.ts';
import * as ofSlots from '../../src/stream/slot-scripts.ts';
import type { VirtualProcess, VirtualTime } from './time.ts';

/** Texts of scripts, and pieces of them, by name. */
const scripts = { ...ofBatches, ...ofSlots };

/** Names of scripts. */
export type ScriptName = keyof typeof scripts;

/** What a simulation sees of a script that was run. */
export type ScriptRun = {
  readonly name: ScriptName;
  readonly process: VirtualProcess;
  readonly prefix: string;
  readonly args: readonly Argument[];
  readonly reply: unknown;
};

type Argument = string | number | Buffer;
type Question = {
  readonly process: VirtualProcess;
  readonly command: readonly [string, ...Argument[]];
  readonly script: ScriptName | undefined;
  readonly answer: (reply: unknown) => void;
};
type Listener = { readonly process: VirtualProcess; readonly hear: (channel: string, message: string) => void };

/** Time to an answer of Redis. */
const answerMs = 1;
const msKey = '{virtual}:ms';
const barrier = 'virtual:barrier';
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');

/** The text of a script with the virtual clock in place of Redis's. */
function inVirtualTime(text: string): string {
  const clock = "local t = redis.call('TIME')\n  return t[1] * 1000 + math.floor(t[2] / 1000)";
  const virtual = text
    .replaceAll(clock, `return tonumber(redis.call('GET', '${msKey}'))`)
    .replaceAll(/(redis\.call\('XADD', [^*]*?)'\*'/g, `$1redis.call('GET', '${msKey}') .. '-*'`);
  assert(!virtual.includes("'TIME'") && !virtual.includes("'*'"), 'nothing of a script goes by the real clock');
  return virtual;
}

/** One real Redis for all processes of a simulation. */
export class VirtualRedis {
  readonly #redis: Redis;
  readonly #subscriber: Redis;
  readonly #time: VirtualTime;
  readonly #onRun: (run: ScriptRun) => void;
  /** By the digest that callers know. */
  readonly #scripts = new Map<string, { readonly name: ScriptName; readonly digest: string }>();
  readonly #listeners = new Map<string, Listener[]>();
  readonly #heard: { channel: string; message: string }[] = [];
  #questions: Question[] = [];
  #barriers = 0;
  #onBarrier: () => void = () => undefined;
  /** Scripts that were run, by name. */
  readonly runs: Partial<Record<ScriptName, number>> = {};
  /** Signals times listening processes. */
  signals = 0;

  /** `onRun` is told of every script that ran. */
  constructor(url: string, time: VirtualTime, onRun: (run: ScriptRun) => void) {
    this.#redis = new Redis(url);
    this.#subscriber = new Redis(url);
    this.#time = time;
    this.#onRun = onRun;
    this.#subscriber.on('pmessage', (_pattern: string, channel: string, message: string) => {
      if (channel === barrier) this.#onBarrier();
      else this.#heard.push({ channel, message });
    });
  }

  /** Loads the scripts and begins to hear signals. */
  async start(): Promise<void> {
    for (const [name, text] of Object.entries(scripts).filter(([one]) => one.endsWith('Script'))) {
      const virtual = inVirtualTime(text);
      this.#scripts.set(sha1(text), { name: name as ScriptName, digest: sha1(virtual) });
      await this.#redis.script('LOAD', virtual);
    }
    await this.#subscriber.psubscribe('*:wake', barrier);
  }

  /** Closes the connections. */
  end(): void {
    this.#redis.disconnect();
    this.#subscriber.disconnect();
  }

  /** Questions that wait for the end of this millisecond. */
  get isAsked(): boolean {
    return this.#questions.length > 0;
  }

  /** CPU that the server has used, seconds. */
  async cpuSeconds(): Promise<number> {
    const info = await this.#redis.info('cpu');
    const field = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
    return field('used_cpu_user') + field('used_cpu_sys');
  }

  /** What no part of the simulation reads is removed: outcomes, which a recorder would take. */
  async trim(keys: readonly string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.#redis.xtrim(key, 'MAXLEN', 0)));
  }

  /** A process's connection, as far as workers and planners use one. */
  connection(process: VirtualProcess): RedisConnection {
    const ask = (command: readonly [string, ...Argument[]], script?: ScriptName) =>
      new Promise<unknown>((answer) => {
        this.#questions.push({ process, command, script, answer });
      });
    const listeners: ((channel: string, message: string) => void)[] = [];
    const connection = {
      evalshaBuffer: (digest: string, keys: number, ...args: Argument[]) => {
        const script = this.#scripts.get(digest);
        assert(script !== undefined, 'only known scripts are run');
        return ask(['evalshaBuffer', script.digest, keys, ...args], script.name);
      },
      get: (key: string) => ask(['get', key]),
      exists: (key: string) => ask(['exists', key]),
      set: (...args: Argument[]) => ask(['set', ...args]),
      info: (section: string) => ask(['info', section]),
      on: (_event: 'message', hear: (channel: string, message: string) => void) => listeners.push(hear),
      off: () => undefined,
      subscribe: async (channel: string) => {
        const hear = listeners.at(-1);
        assert(hear !== undefined, 'whoever subscribes listens before');
        this.#listeners.set(channel, [...(this.#listeners.get(channel) ?? []), { process, hear }]);
      },
    };
    return connection as unknown as RedisConnection;
  }

  /** Asks Redis everything that came up in this millisecond. */
  async flush(): Promise<void> {
    const questions = this.#questions;
    if (questions.length === 0) return;
    this.#questions = [];
    const pipeline = this.#redis.pipeline([['set', msKey, String(this.#time.epochMs)]]);
    for (const { command } of questions) {
      const [name, ...args] = command;
      (pipeline as unknown as Record<string, (...args: unknown[]) => unknown>)[name]?.(...args);
    }
    const passed = new Promise<void>((resolve) => (this.#onBarrier = resolve));
    pipeline.publish(barrier, String(this.#barriers++));
    // Otherwise each command would be a system call of its own.
    const { stream } = this.#redis as unknown as { readonly stream: Socket };
    stream.cork();
    const answered = pipeline.exec();
    stream.uncork();
    const [replies] = await Promise.all([answered, passed]);
    questions.forEach((question, index) => this.#answered(question, replies?.[index + 1] as [Error | null, unknown]));
    for (const { channel, message } of this.#heard.splice(0)) this.#signal(channel, message);
  }

  #answered({ process, command, script, answer }: Question, [error, reply]: [Error | null, unknown]): void {
    if (error !== null) throw new Error(`Redis answers ${script ?? command[0]} with an error`, { cause: error });
    if (script !== undefined) {
      this.runs[script] = (this.runs[script] ?? 0) + 1;
      this.#onRun({ name: script, process, prefix: String(command[3]), args: command.slice(5), reply });
    }
    this.#later(process, () => answer(reply));
  }

  #signal(channel: string, message: string): void {
    const listeners = (this.#listeners.get(channel) ?? []).filter(({ process }) => process.fate !== 'dead');
    this.#listeners.set(channel, listeners);
    this.signals += listeners.length;
    for (const { process, hear } of listeners) this.#later(process, () => hear(channel, message));
  }

  #later(process: VirtualProcess, event: () => void): void {
    this.#time.at(this.#time.ms + answerMs, () => process.deliver(event));
  }
}
