/** `tocsin drain WORKER` and `tocsin undrain WORKER`: a worker that lives on without holding anything. */
import { type Presence, readPresences, tellWish, type Wish } from '../../src/stream/presence.ts';
import type { RedisConnection } from '../../src/stream/redis.ts';
import { type Command, pause, type Result, secondsOf, type Surroundings, usage } from './command.ts';
import { withRedis } from './connections.ts';

const lookEveryMs = 250;
const timeoutSecondsDefault = 60;
const timeout = { timeout: { type: 'string' } } as const;

/** See the head of this file. */
export const drainCommand: Command = {
  name: 'drain',
  takes: ['WORKER'],
  summary: 'have a worker give back everything and stay idle',
  help: `
The worker takes nothing new, lets its windows empty, unbinds, gives its slots and what it did not write to the others
and stays idle, until it is told to work again (tocsin undrain, or --undo). What is not answered within its
TOCSIN_DRAIN_MS is given up as after SIGTERM. WORKER is its name as tocsin status shows it, or the beginning of it; a
worker that is started again has a new name and works. Prints how far it is. Needs REDIS_URL.
  --undo             the same as tocsin undrain
  --timeout SECONDS  longest wait, ${timeoutSecondsDefault}; the worker goes on draining after it
JSON: {"worker", "phase": "drained" | …, "done": boolean, "left": {"slots", "bound", "open", "batches"}}`,
  options: { ...timeout, undo: { type: 'boolean' } },
  async run(args, surroundings) {
    const waitMs = secondsOf(args, 'timeout', timeoutSecondsDefault) * 1000;
    return await turn(args.positionals[0] ?? '', args.values['undo'] === true ? 'work' : 'drain', waitMs, surroundings);
  },
};

/** See the head of this file. */
export const undrainCommand: Command = {
  name: 'undrain',
  takes: ['WORKER'],
  summary: 'have a drained worker work again',
  help: `
  --timeout SECONDS  longest wait, ${timeoutSecondsDefault}
Needs REDIS_URL. JSON: as of tocsin drain`,
  options: timeout,
  async run(args, surroundings) {
    const waitMs = secondsOf(args, 'timeout', timeoutSecondsDefault) * 1000;
    return await turn(args.positionals[0] ?? '', 'work', waitMs, surroundings);
  },
};

/** What a worker still holds, over all carriers. */
type Left = { slots: number; bound: number; open: number; batches: number };

/** Tells the worker, and watches it until it is done, gone, or time is up. */
async function turn(wanted: string, wish: Wish, waitMs: number, surroundings: Surroundings): Promise<Result> {
  return await withRedis(surroundings, async (redis) => {
    const { name } = await workerOf(redis, wanted);
    await tellWish(redis, name, wish);
    const untilMs = performance.now() + waitMs;
    let last = '';
    for (;;) {
      const worker = (await readPresences(redis)).find((presence) => presence.name === name);
      if (worker === undefined) {
        surroundings.say(`${name} has ended`);
        return { exitCode: 1, json: { worker: name, phase: 'ended', done: false, left: null } };
      }
      const left = leftOf(worker);
      const done = isDone(worker, wish, left);
      const line = lineOf(worker, left);
      if (line !== last) surroundings.say(line);
      last = line;
      const isOver = performance.now() >= untilMs || surroundings.signal.aborted;
      if (!done && isOver) surroundings.say(`it is not ${wish === 'drain' ? 'drained' : 'at work'} yet; it goes on`);
      if (done || isOver)
        return { exitCode: done ? 0 : 1, json: { worker: name, phase: worker.phase ?? null, done, left } };
      await pause(lookEveryMs, surroundings.signal);
    }
  });
}

async function workerOf(redis: RedisConnection, wanted: string): Promise<Presence> {
  const workers = (await readPresences(redis)).filter(({ role }) => role === 'worker');
  const exact = workers.find(({ name }) => name === wanted);
  const meant = exact === undefined ? workers.filter(({ name }) => name.startsWith(wanted)) : [exact];
  const [worker] = meant;
  if (worker !== undefined && meant.length === 1) return worker;
  const names = (worker === undefined ? workers : meant).map(({ name }) => name).join(', ') || 'none';
  throw usage(worker === undefined ? `there is no worker ${wanted}; there are ${names}` : `${wanted} may be ${names}`);
}

function isDone({ phase }: Presence, wish: Wish, { slots }: Left): boolean {
  return wish === 'drain' ? phase === 'drained' && slots === 0 : phase === 'sending';
}

function leftOf({ lines = [] }: Presence): Left {
  const left = { slots: 0, bound: 0, open: 0, batches: 0 };
  for (const line of lines) {
    left.slots += line.slots;
    left.bound += line.bound;
    left.open += line.open;
    left.batches += line.batches;
  }
  return left;
}

function lineOf({ name, phase = 'sending' }: Presence, { slots, bound, open, batches }: Left): string {
  return `${name} ${phase}: ${slots} slots, ${bound} binds, ${open} segments unanswered, ${batches} batches in hand`;
}
