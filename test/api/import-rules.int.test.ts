/** Any files of residents leave what their lines say one after the other, whatever was there and where chunks end. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mobile, startApi, type TestApi } from './harness.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ importChunkRows: 3 });
});
afterAll(() => api.stop());

type Line = { readonly reference: string; readonly name: string; readonly numbers: readonly number[] };
/** Of a resident: whether each number is opted out. */
type Kept = { name: string; numbers: Map<number, boolean> };

const reference = fc.constantFrom('A', 'B', 'C', 'D', 'É');
const name = fc.constantFrom('Anne', 'Zoé', 'O’Hara');
const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 2 });
const line = fc.record({ reference: fc.oneof(reference, fc.constant('')), name, numbers });
const known = fc.record({ reference, name, numbers, optedOut: fc.boolean() });
const setting = fc.record({
  before: fc.uniqueArray(known, { selector: (resident) => resident.reference, maxLength: 3 }),
  files: fc.array(fc.array(line, { maxLength: 8 }), { minLength: 1, maxLength: 2 }),
});

function textOf(lines: readonly Line[]): string {
  const cells = lines.map(({ reference: r, name: n, numbers: [first, second] }) =>
    [r, n, first === undefined ? '' : mobile(first), second === undefined ? '' : mobile(second)].join(','),
  );
  return ['externalReference,firstName,mobile,phone', ...cells, ''].join('\n');
}

/** What is there after a line. */
function follow(lines: readonly Line[], kept: Map<string, Kept>, nameless: Kept[]): { created: number } {
  let created = 0;
  for (const { reference: of, name: called, numbers: given } of lines) {
    const before = of === '' ? undefined : kept.get(of);
    const stay = [...(before?.numbers ?? [])].filter(([number, isOut]) => isOut || given.includes(number));
    const after = { name: called, numbers: new Map([...given.map((n): [number, boolean] => [n, false]), ...stay]) };
    if (before === undefined) created += 1;
    if (of === '') nameless.push(after);
    else kept.set(of, after);
  }
  return { created };
}

const shown = ({ name: called, numbers: of }: Kept): unknown => ({
  firstName: called,
  contacts: [...of]
    .sort(([a], [b]) => a - b)
    .map(([number, optedOut]) => ({ channel: 'sms', address: mobile(number), optedOut })),
});
const inOrder = (all: readonly unknown[]): string[] => all.map((one) => JSON.stringify(one)).sort();

test('import - files leave what their lines say one after the other, and nobody leaves a list', async () => {
  await fc.assert(
    fc.asyncProperty(setting, async ({ before, files }) => {
      const town = await api.organisation();
      const { body: list } = await town.request('POST', '/lists', { name: 'All' });
      const kept = new Map<string, Kept>();
      const nameless: Kept[] = [];
      for (const { reference: of, name: called, numbers: given, optedOut } of before) {
        const contacts = given.map((number) => ({ address: mobile(number), optedOut }));
        await town.request('POST', '/residents', { externalReference: of, firstName: called, contacts });
        kept.set(of, { name: called, numbers: new Map(given.map((number) => [number, optedOut])) });
      }
      for (const lines of files) {
        const { created } = follow(lines, kept, nameless);
        const csv = { 'content-type': 'text/csv' };
        const { body } = await town.request('POST', `/residents/import?list=${list.id}`, textOf(lines), csv);
        const counts = { read: lines.length, created, updated: lines.length - created };
        expect(body).toEqual({ ...counts, refused: 0, errors: [], errorsTruncated: false });
      }
      const { body: page } = await town.request('GET', '/residents');
      const found = page.items.map(({ firstName, contacts }) => ({ firstName, contacts }));
      expect(inOrder(found)).toEqual(inOrder([...kept.values(), ...nameless].map(shown)));
      const named = files.flat().filter((one) => one.reference !== '');
      const members = new Set(named.map((one) => one.reference)).size + nameless.length;
      expect((await town.request('GET', `/lists/${list.id}`)).body.residents).toBe(members);
    }),
    { numRuns: 60 },
  );
});
