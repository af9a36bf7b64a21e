/** What differs between a file and the database, and which states a message can have had before. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ResultRow } from '../../src/db/results.ts';
import { type MessageState, messageStateCodes } from '../../src/handoff.ts';
import { type FileLine, mayBecome, verifyResults } from '../../src/report/verify.ts';

const states = Object.keys(messageStateCodes) as MessageState[];

function rowOf(ordinal: number, state: MessageState): ResultRow {
  const names = { externalReference: null, firstName: null, lastName: null };
  return { ordinal, resident: '7', address: '+33639980000', carrier: 'north', language: 'fr', state, ...names };
}

async function* linesOf(rows: readonly ResultRow[]): AsyncGenerator<FileLine> {
  let line = 1;
  for (const row of rows) yield { kind: 'row', line: ++line, row };
}

async function* partsOf(rows: readonly ResultRow[], size: number): AsyncGenerator<readonly ResultRow[]> {
  for (let from = 0; from < rows.length; from += size) yield rows.slice(from, from + size);
}

test('verify - whatever is left out of a file is missing, and nothing else, in parts of any size', async () => {
  const recipients = fc.array(fc.record({ state: fc.constantFrom(...states), isKept: fc.boolean() }), {
    maxLength: 50,
  });
  await fc.assert(
    fc.asyncProperty(recipients, fc.integer({ min: 1, max: 9 }), async (all, size) => {
      const rows = all.map(({ state }, ordinal) => rowOf(ordinal, state));
      const kept = rows.filter((_, at) => all[at]?.isKept);
      const verdict = await verifyResults(linesOf(kept), partsOf(rows, size));
      const missing = rows.filter((_, at) => all[at]?.isKept !== true).map(({ ordinal }) => ordinal);
      expect(verdict.differences).toEqual(missing.map((ordinal) => ({ kind: 'missing', ordinal })));
      expect(verdict).toMatchObject({ rows: { file: kept.length, database: rows.length }, movedOn: 0 });
    }),
  );
});

test('states - a message may rise and never fall; what a carrier refused may turn out to be accepted', () => {
  for (const state of states) {
    expect(mayBecome('pending', state)).toBe(true);
    expect(mayBecome(state, state)).toBe(true);
    expect(mayBecome(state, 'pending')).toBe(state === 'pending');
    expect(mayBecome(state, 'delivered')).toBe(true);
    expect(mayBecome('delivered', state)).toBe(state === 'delivered');
  }
  expect(mayBecome('failed', 'submitted')).toBe(true);
  expect(mayBecome('submitted', 'failed')).toBe(true);
  expect(mayBecome('submitted', 'unknown')).toBe(false);
});
