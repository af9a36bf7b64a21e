/**
 * One measurement of the peer: fresh Redis, simulator, producer and workers over the PostgreSQL and the residents that
 * our side uses. From the word to begin until the last receipt is committed. Main thread.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { tocsinHome } from '../../cluster/embedded.ts';
import { startRedis } from '../../cluster/embedded-redis.ts';
import type { BenchCluster } from '../cluster.ts';
import { type BenchContext, rounded } from '../harness.ts';
import { type RoleOf, UsageMeter } from '../resources.ts';
import { type RunningScript, startScript } from '../script.ts';
import { simulatorAccount, startSimulator } from '../simulator.ts';
import { createPeerTables } from './tables.ts';
import type { PeerNews, PeerSettings, PeerTask } from './task.ts';

/** What one measurement gave. */
export type PeerFigures = {
  readonly seconds: number;
  readonly perSecond: number;
  readonly microsecondsPerMessage: Readonly<Record<string, number>>;
  readonly peakMegabytes: Readonly<Record<string, number>>;
};

type Context = Pick<BenchContext<unknown>, 'bar' | 'check'>;

/** What is sent, and to whom. */
export type PeerPlan = {
  readonly messages: number;
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
    const received = new Progress(context, plan.messages);
    for (let number = 0; number < plan.settings.workers; number++)
      scripts.push(await started('peers/worker', task, plan.profile, (news) => received.hear(number, news)));
    const producer = await started('peers/producer', task, plan.profile, () => undefined);
    scripts.unshift(producer);
    const meter = new UsageMeter(roleOf);
    const beganMs = performance.now();
    producer.tell({ kind: 'begin' });
    await received.complete;
    const seconds = (performance.now() - beganMs) / 1000;
    const { cpuSeconds, peakMegabytes } = meter.stop();
    await checkWork(cluster, plan, (await simulator.stats()).accepted, context);
    const perMessage = Object.entries(cpuSeconds).map(([role, s]) => [role, rounded((s * 1e6) / plan.messages)]);
    return {
      seconds: rounded(seconds),
      perSecond: Math.round(plan.messages / seconds),
      microsecondsPerMessage: Object.fromEntries(perMessage) as Record<string, number>,
      peakMegabytes,
    };
  } finally {
    for (const script of scripts) {
      script.tell({ kind: 'end' });
      await script.ended;
    }
    await simulator.stop();
    await redis.stop();
  }
}

/** Counts what the workers say they have committed. */
class Progress {
  readonly complete: Promise<void>;
  readonly #context: Context;
  readonly #messages: number;
  readonly #receipts: number[] = [];
  #onComplete: () => void = () => undefined;

  constructor(context: Context, messages: number) {
    this.#context = context;
    this.#messages = messages;
    this.complete = new Promise((resolve) => {
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

async function checkWork(
  cluster: BenchCluster,
  { messages }: PeerPlan,
  accepted: number,
  { check }: Context,
): Promise<void> {
  const one = async (text: string) => Number((await cluster.sql.query<{ n: string }>(text)).rows[0]?.n);
  check('messages that the carrier accepted from the peer', accepted, messages);
  const submitted = 'select count(distinct ordinal) as n from peer_submissions where command_status = 0';
  check('submissions that the peer recorded', await one(submitted), messages);
  const delivered = 'select count(distinct ordinal) as n from peer_receipts where state = 2';
  check('receipts that the peer recorded', await one(delivered), messages);
}
