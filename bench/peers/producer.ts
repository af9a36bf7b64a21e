/**
 * The peer's producer: reads the audience from PostgreSQL and adds one BullMQ job for each message, in bulk. Waits for
 * the word to begin, so that its start is not measured, and does it again with the next word.
 */
import { Queue } from 'bullmq';
import pg from 'pg';
import { taskOfScript } from '../script.ts';
import { type PeerJob, type PeerNews, type PeerTask, type PeerWord, queueName } from './task.ts';

const task = taskOfScript<PeerTask>();
const database = new pg.Client({ connectionString: task.databaseUrl });
const queue = new Queue<PeerJob>(queueName, {
  connection: { host: '127.0.0.1', port: task.redisPort },
  defaultJobOptions: { removeOnComplete: true, attempts: 3 },
});

async function produce(firstOrdinal: number): Promise<void> {
  const { rows } = await database.query<PeerJob>(
    `select ($2 + row_number() over (order by address) - 1)::int as ordinal, address from (
      select distinct ltrim(address, '+') as address from contact_points
      where organisation_id = $1 and channel = 'sms' and opted_out_at is null) reachable`,
    [task.organisation, firstOrdinal],
  );
  let next = 0;
  const addInTurn = async () => {
    while (next < rows.length) {
      const chunk = rows.slice(next, next + task.bulkJobs);
      next += chunk.length;
      await queue.addBulk(chunk.map((data) => ({ name: 'sms', data })));
    }
  };
  await Promise.all(Array.from({ length: task.bulksAtOnce }, addInTurn));
}

await database.connect();
await queue.waitUntilReady();
process.on('message', (word: PeerWord) => {
  if (word.kind === 'begin') void produce(word.firstOrdinal);
  else void Promise.all([queue.close(), database.end()]).then(() => process.exit(0));
});
process.send?.({ kind: 'ready' } satisfies PeerNews);
