/** Group 5: PostgreSQL restarted, away, slow, and out of disk. */
import type { Stage } from '../stage.ts';
import { canMount } from '../servers.ts';
import type { FaultCase } from './case.ts';

async function enqueued(stage: Stage): Promise<void> {
  await stage.until('every batch is in Redis', async () => {
    const { rows } = await stage.scene.sql.query<{ left: number }>(
      'select count(*)::int as left from campaigns where id = any($1) and enqueued_at is null',
      [stage.launched.map(({ id }) => id)],
    );
    return rows[0]?.left === 0;
  });
}

export const postgresCases: readonly FaultCase[] = [
  {
    name: 'postgres-restart',
    group: 5,
    about: 'kill -9 of PostgreSQL, started again, while campaigns are planned and recorded',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere(0, 0.5);
      await stage.scene.postgres.kill();
      await stage.scene.postgres.start();
      stage.healed();
    },
  },
  {
    name: 'postgres-away',
    group: 5,
    about: 'PostgreSQL is away while planned campaigns go on to their last segment',
    quick: true,
    async run(stage) {
      await stage.launchBoth();
      await enqueued(stage);
      await stage.scene.postgres.kill();
      await stage.received(stage.segments);
      await stage.scene.postgres.start();
      stage.healed();
    },
  },
  {
    name: 'postgres-away-a-minute',
    group: 5,
    about: 'PostgreSQL is away for a minute while slow carriers are sent to all the time',
    quick: false,
    async run(stage) {
      const { scene } = stage;
      // A window at this distance makes a campaign of this size last for about a minute.
      for (const carrier of scene.carriers) await carrier.behave({ latencyMs: 1_000 });
      await stage.launchBoth();
      await enqueued(stage);
      await scene.postgres.kill();
      for (let tenth = 0; tenth < 6; tenth++) {
        const before = await stage.receivedNow();
        await stage.hold(10_000);
        if (before < stage.segments && (await stage.receivedNow()) === before)
          stage.problems.push(`nothing was sent from the ${tenth * 10}. second on`);
      }
      await scene.postgres.start();
      stage.healed();
    },
  },
  {
    name: 'postgres-cut-off',
    group: 5,
    about:
      'the cable to PostgreSQL is cut for longer than the leases: nobody is told, and everything is recorded later',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere(0, 0.5);
      const lines = stage.scene.lines('postgres');
      for (const line of lines) line.blackhole();
      await stage.hold(stage.between(3_000, 5_000));
      for (const line of lines) line.heal();
      stage.healed();
    },
  },
  {
    name: 'postgres-locked',
    group: 5,
    about: 'somebody holds locks on what planner and recorder write, for longer than their leases',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere(0, 0.5);
      const holder = await stage.scene.sql.connect();
      await holder.query('begin');
      await holder.query('lock table batch_states, campaign_progress, campaign_carriers in access exclusive mode');
      await stage.hold(stage.between(2_500, 4_000));
      await holder.query('commit');
      holder.release();
      stage.healed();
    },
  },
  {
    name: 'postgres-sessions',
    group: 5,
    about: 'every session of planner, recorder and API is ended by the server, several times',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      for (const share of [0, 0.2, 0.4]) {
        await stage.somewhere(share, share + 0.1);
        await stage.scene.sql.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'tocsin-%'",
        );
      }
      stage.healed();
    },
  },
  {
    name: 'postgres-full',
    group: 5,
    about: 'the disk of PostgreSQL is full for a while: nothing is recorded meanwhile, and everything afterwards',
    quick: false,
    scene: 'small-disk',
    unable: () => (canMount() ? undefined : 'only root may mount a small file system'),
    async run(stage) {
      const { disk, postgres } = stage.scene;
      await stage.launchBoth();
      await enqueued(stage);
      await disk?.fill();
      await stage.received(stage.segments);
      await stage.hold(2_000);
      disk?.free();
      // It ends where it cannot even write its log ahead; whoever runs it starts it again.
      await postgres.start();
      stage.healed();
    },
  },
  {
    name: 'postgres-slow',
    group: 5,
    about: 'PostgreSQL is 50 ms further away for a while',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere(0, 0.3);
      for (const line of stage.scene.lines('postgres')) line.poison({ latencyMs: 50 });
      await stage.received(stage.segments);
      await stage.hold(2_000);
      for (const line of stage.scene.lines('postgres')) line.heal();
      stage.healed();
    },
  },
];
