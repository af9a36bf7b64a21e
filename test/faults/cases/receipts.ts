/** Group 7: receipts that come early, twice, on another bind, late, for nobody, or after everything was restarted. */
import { readBooks } from '../books.ts';
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

/** A receipt: deliver_sm with esm_class 4 (SMPP 3.4 appendix B). */
function receiptOf(messageId: string, state: 'DELIVRD' | 'ENROUTE' | 'ACCEPTD', sequence: number): Buffer {
  const dates = 'submit date:2601010000 done date:2601010000';
  const text = `id:${messageId} sub:001 dlvrd:001 ${dates} stat:${state} err:000 text:`;
  const fields = Buffer.concat([
    Buffer.from([0, 1, 1]),
    Buffer.from('99900000000\0'),
    Buffer.from([1, 1]),
    Buffer.from('TOCSIN\0'),
    Buffer.from([4, 0, 0, 0, 0, 0, 0, 0, 0, text.length]),
    Buffer.from(text),
  ]);
  const pdu = Buffer.alloc(16 + fields.length);
  pdu.writeUInt32BE(pdu.length, 0);
  pdu.writeUInt32BE(5, 4);
  pdu.writeUInt32BE(sequence, 12);
  fields.copy(pdu, 16);
  return pdu;
}

/** Message ids of some segments whose receipts are recorded. */
async function deliveredIds(stage: Stage, carrier: string, count: number): Promise<string[]> {
  const { rows } = await stage.scene.sql.query<{ id: string }>(
    `select s.message_id as id from submissions s
      join receipts r on r.campaign_id = s.campaign_id and r.ordinal = s.ordinal and r.segment = s.segment
      where s.campaign_id = any($1) and s.carrier = $2 and s.message_id <> '' limit $3`,
    [stage.launched.map(({ id }) => id), carrier, count],
  );
  return rows.map(({ id }) => id);
}

export const receiptCases: readonly FaultCase[] = [
  {
    name: 'receipts-unruly',
    group: 7,
    about: 'receipts before the response, on another bind, sent again and again until answered, and for unknown ids',
    quick: true,
    async run(stage) {
      for (const carrier of stage.scene.carriers)
        await carrier.behave({ receiptFirst: 0.3, receiptOtherBind: true, receiptJitterMs: 300, receiptRetryMs: 3 });
      await stage.launchBoth();
      await stage.somewhere(0.2, 0.5);
      const workers = stage.scene.names('worker');
      for (let sequence = 900_001; sequence <= 900_050; sequence++) {
        const { plan } = stage.oneOf(stage.scene.carriers);
        stage.scene.line(stage.oneOf(workers), plan.name).inject(receiptOf(`stray${sequence}`, 'DELIVRD', sequence));
      }
      stage.healed();
      await stage.settled();
      const { rows } = await stage.scene.sql.query<{ n: number }>(
        "select count(distinct message_id)::int as n from orphan_receipts where message_id like 'stray9%'",
      );
      if (rows[0]?.n !== 50) stage.problems.push(`${String(rows[0]?.n)} of 50 receipts for unknown ids are kept`);
    },
  },
  {
    name: 'receipts-after-restart',
    group: 7,
    about: 'receipts that come after everything was killed and started again',
    quick: true,
    async run(stage) {
      const { scene } = stage;
      for (const carrier of scene.carriers) await carrier.behave({ receiptDelayMs: 3_000, receiptJitterMs: 1_000 });
      await stage.launchBoth();
      await stage.received(stage.segments);
      for (const worker of scene.names('worker')) await stage.crash(worker);
      const names = [...scene.names('worker'), ...scene.names('recorder'), 'planner', 'api'];
      await Promise.all(names.map((name) => scene.kill(name)));
      await Promise.all([scene.redis.kill(), scene.postgres.kill()]);
      await Promise.all([scene.redis.start(), scene.postgres.start()]);
      stage.healed();
      await Promise.all(names.map((name) => scene.start(name)));
    },
  },
  {
    name: 'receipts-out-of-order',
    group: 7,
    about: 'receipts that say enroute or accepted come after the one that says delivered, and some come again',
    quick: false,
    async run(stage) {
      const { scene } = stage;
      await stage.launchBoth();
      await stage.somewhere(0.3, 0.6);
      const worker = stage.oneOf(scene.names('worker'));
      let sequence = 910_000;
      for (const { plan } of scene.carriers) {
        for (const messageId of await deliveredIds(stage, plan.name, 100)) {
          for (const state of ['ENROUTE', 'ACCEPTD', 'DELIVRD', 'DELIVRD'] as const)
            scene.line(worker, plan.name).inject(receiptOf(messageId, state, sequence++));
        }
      }
      stage.healed();
    },
  },
  {
    name: 'receipts-after-the-end',
    group: 7,
    about: 'receipts that come when their campaign is over, closed in Redis, and forgotten by the recorder',
    quick: false,
    async run(stage) {
      const { scene } = stage;
      for (const carrier of scene.carriers) await carrier.behave({ receiptDelayMs: 9_000, receiptJitterMs: 500 });
      const campaign = await stage.launch('information', 2_000);
      await stage.settled();
      const submitted = (await readBooks(scene.sql, campaign.id)).counters.awaiting_receipt;
      if (submitted !== campaign.recipients) stage.problems.push(`${submitted} waited for receipts when it was over`);
      await scene.kill('recorder');
      await scene.start('recorder');
      stage.healed();
      await stage.until(
        'every receipt is counted',
        async () => (await readBooks(scene.sql, campaign.id)).counters.delivered === campaign.recipients,
      );
    },
  },
  {
    name: 'receipts-failed',
    group: 7,
    about: 'a tenth of the receipts say undeliverable, expired or rejected, while the recorder is killed',
    quick: false,
    async run(stage) {
      const receiptMix = { delivered: 0.9, undeliverable: 0.05, expired: 0.03, rejected: 0.02 };
      for (const carrier of stage.scene.carriers) await carrier.behave({ receiptMix });
      stage.sent.add('failed');
      await stage.launchBoth();
      await stage.somewhere();
      await stage.scene.kill('recorder');
      stage.healed();
      await stage.scene.start('recorder');
    },
  },
];
