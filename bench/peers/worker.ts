/**
 * The peer's worker: BullMQ jobs into submit_sm through the `smpp` package's client, with a window, and drizzle inserts
 * in batches. A job is done when its row is committed; a receipt is answered when its row is.
 */
import { Worker } from 'bullmq';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { taskOfScript } from '../script.ts';
import { bindByPackage, gsmBuffer, type PackageAnswer, packageFields, type PackageSession } from '../smpp-package.ts';
import { Batcher } from './batcher.ts';
import { peerSubmissions } from './tables.ts';
import { type PeerJob, type PeerNews, type PeerTask, queueName } from './task.ts';

type Receipt = { readonly messageId: string; readonly state: number };
type DeliverSm = PackageAnswer & { readonly receipted_message_id: string; readonly message_state: number };

const connectionsMax = 4;
const task = taskOfScript<PeerTask>();
const pool = new pg.Pool({ connectionString: task.databaseUrl, max: connectionsMax });
const database = drizzle(pool);
const body = gsmBuffer(task.text);
const committed = { submissions: 0, receipts: 0 };

function tell(): void {
  process.send?.({ kind: 'committed', ...committed } satisfies PeerNews);
}

const submissions = new Batcher<typeof peerSubmissions.$inferInsert>(task.insertRows, task.flushMs, async (rows) => {
  await database.insert(peerSubmissions).values(rows);
  committed.submissions += rows.length;
  tell();
});

/** Receipts may come before their submission's row is committed: those that find none are tried again. */
const receipts = new Batcher<Receipt>(task.insertRows, task.flushMs, async (batch) => {
  for (let left = batch; left.length > 0; ) {
    const ids = left.map(({ messageId }) => messageId);
    const states = left.map(({ state }) => state);
    const { rows } = await database.execute<{ message_id: string }>(sql`
      with matched as (select s.ordinal, r.state, r.message_id
        from unnest(${sql.param(ids)}::text[], ${sql.param(states)}::smallint[]) as r (message_id, state)
        join peer_submissions s using (message_id)),
      kept as (insert into peer_receipts select ordinal, state, now() from matched)
      select message_id from matched`);
    committed.receipts += rows.length;
    const matched = new Set(rows.map((row) => row.message_id));
    left = left.filter(({ messageId }) => !matched.has(messageId));
    if (left.length > 0) await new Promise((resolve) => setTimeout(resolve, task.flushMs));
  }
  tell();
});

/** Binds with room, each as often as it has: a job takes one and gives it back with the answer. */
class Windows {
  readonly #free: PackageSession[] = [];
  readonly #waiting: ((session: PackageSession) => void)[] = [];

  add(session: PackageSession, window: number): void {
    for (let place = 0; place < window; place++) this.#free.push(session);
  }

  take(): PackageSession | Promise<PackageSession> {
    return this.#free.pop() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(session: PackageSession): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(session);
    else next(session);
  }
}

const windows = new Windows();

async function submit({ ordinal, address }: PeerJob): Promise<void> {
  const session = await windows.take();
  const { command_status: commandStatus, message_id: messageId = '' } = await new Promise<PackageAnswer>((resolve) => {
    session.submit_sm(packageFields(address, body, 1), resolve);
  });
  windows.give(session);
  await submissions.add({ ordinal, commandStatus, messageId, submittedAt: new Date() });
}

async function bind(): Promise<PackageSession> {
  const session = await bindByPackage(task.smsc);
  session.on('deliver_sm', (pdu: DeliverSm) => {
    void receipts.add({ messageId: pdu.receipted_message_id, state: pdu.message_state }).then(() => {
      session.send(pdu.response());
    });
  });
  windows.add(session, task.window);
  return session;
}

const sessions = await Promise.all(Array.from({ length: Math.max(1, task.binds / task.workers) }, bind));
const worker = new Worker<PeerJob>(queueName, (job) => submit(job.data), {
  connection: { host: '127.0.0.1', port: task.redisPort },
  concurrency: task.concurrency,
});
worker.on('error', (error) => process.stderr.write(`${error.message}\n`));
await worker.waitUntilReady();
process.on('message', () => {
  for (const session of sessions) session.close();
  void Promise.all([worker.close(), pool.end()]).then(() => process.exit(0));
});
process.send?.({ kind: 'ready' } satisfies PeerNews);
