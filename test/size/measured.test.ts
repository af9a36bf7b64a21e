/**
 * What the formulas multiply, against what is: the tables of k8s/README.md, frames as the encoder makes them, and what
 * a small run of the whole path writes. CPU is not compared here: in a run of a second most of it is compilation.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withSizing } from '../../cluster/size-tables.ts';
import { settingsSchema } from '../../config/schema.ts';
import { encodeInPlace } from '../../src/encode/encode.ts';
import { measured } from '../../src/size/measured.ts';
import { smokeFigures } from '../bench/smoke.ts';
import { testContent } from '../support/lines.ts';

const root = join(import.meta.dirname, '..', '..');
/** How far a run of 20,000 messages may be from what one of 350,000 gave. */
const factor = 1.5;
/** The same of Redis's memory, whose fixed parts weigh more in a small run. */
const memoryFactor = 3;

function expectAbout(actual: unknown, formula: number, within = factor): void {
  expect(Number(actual)).toBeGreaterThan(formula / within);
  expect(Number(actual)).toBeLessThan(formula * within);
}

test('sizing - the tables of k8s/README.md are what the command prints', () => {
  const readme = readFileSync(join(root, 'k8s', 'README.md'), 'utf8');
  expect(withSizing(readme)).toBe(readme);
});

test('sizing - settings that the formulas go by are the defaults', () => {
  const { batchSecondsMax, batchRecipientsMax, outcomeFlushMs, slotLeaseMs, databasePoolMax } = settingsSchema.parse(
    {},
  );
  expect(measured.batchLimits).toEqual({ batchSecondsMax, batchRecipientsMax });
  expect([measured.flushSeconds * 1000, measured.slotLeaseSeconds * 1000]).toEqual([outcomeFlushMs, slotLeaseMs]);
  expect(measured.poolMax).toBe(databasePoolMax);
});

test('sizing - a submit_sm of 160 characters has about the bytes that are counted', async () => {
  const profile = { sourceTon: 'auto', sourceNpi: 1, destinationTon: 1, destinationNpi: 1, serviceType: '' } as const;
  const { bytes } = await encodeInPlace({
    content: testContent({ contents: { fr: 'x'.repeat(160) }, fields: [] }),
    profile: { ...profile, defaultAlphabet: 'gsm', longMessages: 'udh', receipts: true, segmentsMax: 8 },
    firstOrdinal: 0,
    recipients: 1,
    language: 'fr',
    packed: Buffer.from('33639980001'),
    nowMs: Date.now(),
  });
  const deliverResp = 17;
  expectAbout(bytes.length + deliverResp, measured.carrierOutBytes);
});

test('sizing - a small run writes what the formulas say, in PostgreSQL and in Redis', async () => {
  const flags = ['--messages', '20000', '--segments', '1', '--campaigns', '1', '--no-personalised'];
  const { storage, redisBytesPerRecipient } = await smokeFigures('millions', ...flags);
  const { tables, wal, redisAof } = storage as Record<string, number> & { tables: Record<string, number> };
  const batches = 1 / measured.batchRecipients;
  expectAbout(tables['recipients'], measured.recipientBytes);
  expectAbout((tables['submissions'] ?? 0) + (tables['receipts'] ?? 0), measured.segmentBytes);
  expectAbout(wal, measured.walRecipientBytes + measured.walSegmentBytes + batches * measured.walBatchBytes);
  expectAbout(redisAof, measured.redisFileBytes + batches * measured.redisFileBatchBytes);
  const waiting = measured.waitingBytes + batches * measured.waitingBatchBytes;
  expectAbout(redisBytesPerRecipient, waiting, memoryFactor);
});
