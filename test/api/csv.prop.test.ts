/** CSV files under every cutting of their bytes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CsvRecord, CsvReader } from '../../src/api/csv.ts';

function readAll(bytes: Buffer, sizes: readonly number[]): CsvRecord[] {
  const reader = new CsvReader(4000);
  const records: CsvRecord[] = [];
  const take = (read: readonly CsvRecord[] | 'utf-16') => {
    if (read === 'utf-16') throw new Error('read as UTF-16');
    records.push(...read);
  };
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    take(reader.push(bytes.subarray(at, at + size)));
    at += size;
  }
  take(reader.end());
  return records;
}

const cell = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '"', ';', ' ', '\n', '😀', "'"), maxLength: 8 });
const quoted = (text: string) => (/[";\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
const row = fc.tuple(cell, cell, fc.constantFrom('x', 'y'));

test('csv - what was written is read, however its bytes are cut and its lines end', () => {
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 20 }),
      sizes,
      fc.constantFrom('\n', '\r\n'),
      (rows, cuts, end) => {
        const text = ['a;b;c', ...rows.map((cells) => cells.map(quoted).join(';'))].join(end);
        const records = readAll(Buffer.from(text), cuts);
        expect(records.slice(1).map((record) => (record.kind === 'record' ? record.cells : record.message))).toEqual(
          rows,
        );
      },
    ),
  );
});

test('csv - any bytes are read without a fault, every line once and in order', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), sizes, (bytes, cuts) => {
      const buffer = Buffer.concat([Buffer.from('a;b\n'), Buffer.from(bytes)]);
      const lines = readAll(buffer, cuts).map((record) => record.line);
      expect(lines).toEqual([...new Set(lines)].sort((a, b) => a - b));
    }),
  );
});

test('csv - a broken line leaves every line around it as it was', () => {
  const broken = fc.constantFrom('"open', 'mid"dle', '"a"b;c', 'x;"', '""";');
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 21, max: 60 }),
      broken,
      sizes,
      (before, after, line, cuts) => {
        const good = (count: number) => Array.from({ length: count }, (_, n) => `g${n};x`);
        const records = readAll(Buffer.from(['a;b', ...good(before), line, ...good(after)].join('\n')), cuts);
        expect(records.filter((record) => record.kind === 'record')).toHaveLength(1 + before + after);
        expect(records.filter((record) => record.kind === 'broken').map((record) => record.line)).toEqual([before + 2]);
      },
    ),
  );
});
