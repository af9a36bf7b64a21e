/** The table of recent message ids against a plain map. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecentIds } from '../../src/record/recent.ts';
import { BatchState } from '../../src/record/states.ts';

function batch(number: number): BatchState {
  return new BatchState({ campaign: '1', organisation: '2', batch: number, firstOrdinal: 0 });
}

function lookUp(recent: RecentIds, id: string) {
  const bytes = Buffer.from(`..${id}..`, 'latin1');
  const place = { state: undefined, index: -1, segment: -1 } as Parameters<RecentIds['find']>[3];
  return recent.find(bytes, 2, bytes.length - 2, place) ? place : undefined;
}

test('recent ids - what was added is found where it was added last, and nothing else is', () => {
  const ids = fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), { maxLength: 400 });
  fc.assert(
    fc.property(ids, (texts) => {
      const recent = new RecentIds(10_000);
      const model = new Map<string, { batch: number; index: number; segment: number }>();
      texts.forEach((text, at) => {
        const bytes = Buffer.from(text, 'latin1');
        const where = { batch: at % 7, index: (at * 37) % 65_536, segment: at % 16 };
        recent.add(bytes, 0, bytes.length, batch(where.batch), where.index, where.segment);
        model.set(bytes.toString('latin1'), where);
      });
      for (const [id, where] of model) {
        const found = lookUp(recent, id);
        expect({ batch: found?.state?.key.batch, index: found?.index, segment: found?.segment }).toEqual(where);
        if (!model.has(`${id}x`)) expect(lookUp(recent, `${id}x`)).toBeUndefined();
      }
    }),
  );
});

test('recent ids - the last ids up to the bound and all of a page are kept, and not more than twice as many', () => {
  const bound = 5000;
  const page = 1000;
  const recent = new RecentIds(bound);
  const total = 40_000;
  for (let i = 0; i < total; i += 1) {
    if (i % page === 0) recent.beginPage();
    const id = Buffer.from(`id-${i}`);
    recent.add(id, 0, id.length, batch(1), i & 0xffff, 0);
  }
  for (let i = total - bound; i < total; i += 1) expect(lookUp(recent, `id-${i}`)?.index).toBe(i & 0xffff);
  expect(lookUp(recent, `id-${total - 2 * (bound + page) - 1}`)).toBeUndefined();
  recent.beginPage();
  for (let i = 0; i < 10 * bound; i += 1) {
    const id = Buffer.from(`large-${i}`);
    recent.add(id, 0, id.length, batch(1), i & 0xffff, 0);
  }
  for (let i = 0; i < 10 * bound; i += 1) expect(lookUp(recent, `large-${i}`)?.index).toBe(i & 0xffff);
});
