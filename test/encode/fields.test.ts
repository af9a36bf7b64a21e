/** Source addresses and validity as SMPP spells them. Pure. */
import { expect, test } from 'vitest';
import { sourceAddress } from '../../src/encode/address.ts';
import { validityPeriod } from '../../src/encode/validity.ts';

test('source address - names, short codes and numbers are told apart when the carrier leaves it to us', () => {
  const profile = { sourceTon: 'auto', sourceNpi: 1 } as const;
  expect(sourceAddress('Mairie 38', profile)).toEqual({ ton: 5, npi: 0, address: 'Mairie 38' });
  expect(sourceAddress('38200', profile)).toEqual({ ton: 3, npi: 0, address: '38200' });
  expect(sourceAddress('+33600000001', profile)).toEqual({ ton: 1, npi: 1, address: '33600000001' });
  expect(sourceAddress('33600000001', profile)).toEqual({ ton: 1, npi: 1, address: '33600000001' });
});

test('source address - a carrier that fixes the type of number gets that one', () => {
  const profile = { sourceTon: 2, sourceNpi: 8 };
  expect(sourceAddress('38200', profile)).toEqual({ ton: 2, npi: 8, address: '38200' });
  expect(sourceAddress('Mairie', profile)).toEqual({ ton: 2, npi: 8, address: 'Mairie' });
});

test('source address - what no handset could show, or would shift later fields, is none', () => {
  for (const sender of ['', ' ', '+', 'douze lettres', 'Mairié', 'A\0B', '1'.repeat(21)]) {
    expect(sourceAddress(sender, { sourceTon: 'auto', sourceNpi: 1 }), sender).toBeUndefined();
  }
});

test('validity - the remaining time in the relative form, within one minute and thirty days', () => {
  expect(validityPeriod(((26 * 60 + 3) * 60 + 4) * 1000 + 999)).toBe('000001020304000R');
  expect(validityPeriod(-5)).toBe('000000000100000R');
  expect(validityPeriod(59_999)).toBe('000000000100000R');
  expect(validityPeriod(400 * 86_400_000)).toBe('000030000000000R');
});
