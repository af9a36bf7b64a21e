/**
 * One measurement of the peer: fresh Redis, simulator, producer and workers over the PostgreSQL and the residents that
 * our side uses. From the word to begin until the last receipt is committed, as often as warms the processes up, and
 * then once more. Main thread.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tocsinHome } from '../../cluster/embedded.ts';
import { startRedis } from '../../cluster/embedded-redis.ts';
import type { BenchCluster } from '../cluster.ts';
import { type BenchContext, rounded } from '../harness.ts';
import { type RoleOf, UsageMeter } from '../resources.ts';
import { type RunningScript, startScript } from '../script.ts';
import { simulatorAccount, startSimulator } from '../simulator.ts';
import { createPeerTables } from './tables.ts';
import type { PeerNews, PeerSettings, PeerTask, PeerWord } from './task.ts';

/** What some messages took and cost. */
export type SideFigures = {
  readonly seconds: number;
  readonly perSecond: number;
  readonly microsecondsPerMessage: Readonly<Record<string, number>>;
  readonly peakMegabytes: Readonly<Record<string, number>>;
};

/** The first messages in processes that had done nothing before, and those after the warm-up. */
export type PeerFigures = {
  readonly cold: Pick<SideFigures, 'seconds' | 'perSecond'>;
  readonly warm: SideFigures;
};

type Context = Pick<BenchContext<unknown>, 'bar' | 'check'>;

/** As on our side. */
const settleMs = 1_000;

/** What is sent, and to whom. */
export type PeerPlan = {
  readonly messages: number;
  /** Sent before, `messages` at a time. */
  readonly warmUp: number;
  readonly organisation: string;
  readonly text: string;
  readonly settings: PeerSettings;
  readonly profile: string;
};

/** Runs the peer once; fails the bench unless every message has both of its rows. */
export async function measurePeer(cluster: BenchCluster, plan: PeerPlan, context: Context): Promise<PeerFigures> {
  await cluster.startPostgres();
  await createPeerTables(cluster.sql);
  await cluster.sql.query('checkpoint');
  const directory = join(cluster.folder, 'peer-redis');
  rmSync(directory, { recursive: true, force: true });
  const redis = await startRedis({ directory, cache: join(tocsinHome(), 'redis-programs') });
  const simulator = await startSimulator(cluster.folder);
  const scripts: RunningScript[] = [];
  try {
    const task: PeerTask = {
      ...plan.settings,
      redisPort: Number(new URL(redis.url).port),
      databaseUrl: cluster.ownerUrl,
      organisation: plan.organisation,
      smsc: { port: simulator.port, ...simulatorAccount },
      text: plan.text,
    };
    const roleOf: RoleOf = (process) => {
      if (process.pid === redis.pid) return 'redis';
      return /\/peers\/(\w+)\.js/.exec(process.command)?.[1] ?? cluster.roleOf(process);
    };
    const received = new Progress(context);
    for (let number = 0; number < plan.settings.workers; number++)
      scripts.push(await started('peers/worker', task, plan.profile, (news) => received.hear(number, news)));
    const producer = await started('peers/producer', task, plan.profile, () => undefined);
    scripts.unshift(producer);
    let gone = 0;
    const send = async (): Promise<SideFigures> => {
      const meter = new UsageMeter(roleOf);
      const beganMs = performance.now();
      const complete = received.until(gone + plan.messages);
      producer.tell({ kind: 'begin', firstOrdinal: gone } satisfies PeerWord);
      await complete;
      gone += plan.messages;
      return figuresOf(plan.messages, (performance.now() - beganMs) / 1000, meter.stop());
    };
    const { seconds, perSecond } = await send();
    while (gone < plan.warmUp) await send();
    await delay(settleMs);
    const warm = await send();
    await checkWork(cluster, gone, (await simulator.stats()).accepted, context);
    return { cold: { seconds, perSecond }, warm };
  } finally {
    for (const script of scripts) {
      script.tell({ kind: 'end' });
      await script.ended;
    }
    await simulator.stop();
    await redis.stop();
  }
}

function figuresOf(messages: number, seconds: number, used: ReturnType<UsageMeter['stop']>): SideFigures {
  const perMessage = Object.entries(used.cpuSeconds).map(([role, s]) => [role, rounded((s * 1e6) / messages)]);
  return {
    seconds: rounded(seconds),
    perSecond: Math.round(messages / seconds),
    microsecondsPerMessage: Object.fromEntries(perMessage) as Record<string, number>,
    peakMegabytes: used.peakMegabytes,
  };
}

/** Counts what the workers say they have committed. */
class Progress {
  readonly #context: Context;
  readonly #receipts: number[] = [];
  #messages = 0;
  #onComplete: () => void = () => undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Resolves when so many messages, from the beginning on, have their receipts. */
  until(messages: number): Promise<void> {
    this.#messages = messages;
    return new Promise((resolve) => {
      this.#onComplete = resolve;
    });
  }

  hear(worker: number, news: PeerNews): void {
    if (news.kind !== 'committed') return;
    this.#receipts[worker] = news.receipts;
    const done = this.#receipts.reduce((sum, receipts) => sum + receipts, 0);
    this.#context.bar.show('peer', done, this.#messages);
    if (done >= this.#messages) this.#onComplete();
  }
}

async function started(
  name: string,
  task: PeerTask,
  profile: string,
  onNews: (news: PeerNews) => void,
): Promise<RunningScript> {
  let running: RunningScript | undefined;
  await new Promise<void>((resolve, reject) => {
    running = startScript(name, task, profile, (message) => {
      const news = message as PeerNews;
      if (news.kind === 'ready') resolve();
      onNews(news);
    });
    running.ended.then((end) => reject(new Error(`bench/${name} ended (${end})`)), reject);
  });
  if (running === undefined) throw new Error(`bench/${name} was not started`);
  return running;
}

async function checkWork(cluster: BenchCluster, messages: number, accepted: number, { check }: Context): Promise<void> {
  const one = async (text: string) => Number((await cluster.sql.query<{ n: string }>(text)).rows[0]?.n);
  check('messages that the carrier accepted from the peer', accepted, messages);
  const submitted = 'select count(distinct ordinal) as n from peer_submissions where command_status = 0';
  check('submissions that the peer recorded', await one(submitted), messages);
  const delivered = 'select count(distinct ordinal) as n from peer_receipts where state = 2';
  check('receipts that the peer recorded', await one(delivered), messages);
}
