/** Group 9: a campaign that no encoder can read, and stream entries that no version can read. */
import { entryVersion } from '../../../src/stream/entry.ts';
import { readBooks } from '../books.ts';
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

/** Entries that somebody may find in a stream one day: of a later version, cut short, or not of ours at all. */
const unreadable: readonly (readonly string[])[] = [
  ['v', '99', 'n', '1', 'h', '{}', 'p', 'x'],
  ['v', entryVersion, 'n', '1', 'h', '{"campaign":', 'p', 'x'],
  ['v', entryVersion, 'n', '1', 'h', '{}', 'p', 'x'],
  ['hello', 'world'],
];

async function asideOf(stage: Stage, carrier: string): Promise<number> {
  return await stage.scene.redis.client.xlen(`{${carrier}}:aside`);
}

export const poisonCases: readonly FaultCase[] = [
  {
    name: 'poison-entries',
    group: 9,
    about: 'entries that nobody can read in the middle of a campaign: set aside with a reason, the rest goes on',
    quick: true,
    async run(stage) {
      const { redis, carriers } = stage.scene;
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.3);
      const name = carriers[0]?.plan.name ?? '';
      const before = await asideOf(stage, name);
      const [information] = stage.launched;
      for (const fields of unreadable) await redis.client.xadd(`{${name}}:campaign:${information?.id}`, '*', ...fields);
      stage.healed();
      await stage.until(
        'all of them are set aside',
        async () => (await asideOf(stage, name)) === before + unreadable.length,
      );
      const [last] = await redis.client.xrevrange(`{${name}}:aside`, '+', '-', 'COUNT', 1);
      if (!(last?.[1].includes('reason') ?? false)) stage.problems.push('an entry was set aside without a reason');
    },
  },
  {
    name: 'poison-content',
    group: 9,
    about: 'a campaign whose texts make the encoder throw: every recipient is rejected, other campaigns go on',
    quick: true,
    async run(stage) {
      const broken = await stage.draft('alert', 1_000);
      stage.launched.pop();
      const contents = JSON.stringify({ fr: 'Bonjour {{firstName', en: '{{nobody}}' });
      await stage.scene.sql.query('update campaigns set contents = $2 where id = $1', [broken.id, contents]);
      await stage.launchBoth();
      await stage.scene.api('POST', `/campaigns/${broken.id}/launch`);
      stage.healed();
      const states = async () => (await readBooks(stage.scene.sql, broken.id)).recipients.map(({ state }) => state);
      await stage.until('all of its recipients are rejected', async () => {
        const all = await states();
        return all.length === 1_000 && all.every((state) => state === 'failed');
      });
    },
  },
];
