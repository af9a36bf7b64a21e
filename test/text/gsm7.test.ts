/** The GSM alphabet against the specification's own table, written out here by code point. Pure. */
import { expect, test } from 'vitest';
import { charactersOutsideGsm, decodeGsm, gsmSeptets, gsmSeptetsOfCode, writeGsm } from '../../src/text/gsm7.ts';

/** 3GPP TS 23.038 §6.2.1 by row of sixteen, as Unicode code points; 0x1B is the escape. */
const table = [
  '0040 00A3 0024 00A5 00E8 00E9 00F9 00EC 00F2 00C7 000A 00D8 00F8 000D 00C5 00E5',
  '0394 005F 03A6 0393 039B 03A9 03A0 03A8 03A3 0398 039E .... 00C6 00E6 00DF 00C9',
  '0020 0021 0022 0023 00A4 0025 0026 0027 0028 0029 002A 002B 002C 002D 002E 002F',
  '0030 0031 0032 0033 0034 0035 0036 0037 0038 0039 003A 003B 003C 003D 003E 003F',
  '00A1 0041 0042 0043 0044 0045 0046 0047 0048 0049 004A 004B 004C 004D 004E 004F',
  '0050 0051 0052 0053 0054 0055 0056 0057 0058 0059 005A 00C4 00D6 00D1 00DC 00A7',
  '00BF 0061 0062 0063 0064 0065 0066 0067 0068 0069 006A 006B 006C 006D 006E 006F',
  '0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007A 00E4 00F6 00F1 00FC 00E0',
];
/** §6.2.1.1: septet after the escape, and its character. */
const extension = new Map(Object.entries({ '\f': 10, '^': 20, '{': 40, '}': 41, '\\': 47, '[': 60, '~': 61 }));
for (const [character, septet] of Object.entries({ ']': 62, '|': 64, '€': 101 })) extension.set(character, septet);

function written(text: string): number[] {
  const buffer = new Uint8Array(text.length * 2);
  return [...buffer.subarray(0, writeGsm(text, buffer, 0))];
}

test('gsm7 - every character of the default alphabet has the septet of the specification', () => {
  for (const [septet, code] of table.join(' ').split(' ').entries()) {
    if (code === '....') continue;
    const character = String.fromCharCode(Number.parseInt(code, 16));
    expect(written(character), `U+${code}`).toEqual([septet]);
    expect(decodeGsm(Uint8Array.of(septet))).toBe(character);
  }
});

test('gsm7 - every character of the extension table takes an escape and its septet', () => {
  for (const [character, septet] of extension) {
    expect(written(character), character).toEqual([0x1b, septet]);
    expect(gsmSeptets(character)).toBe(2);
    expect(decodeGsm(Uint8Array.of(0x1b, septet))).toBe(character);
  }
});

test('gsm7 - exactly 137 characters can be said', () => {
  const codes = Array.from({ length: 0x10000 }, (_, code) => code);
  expect(codes.filter((code) => gsmSeptetsOfCode(code) > 0)).toHaveLength(137);
  expect(codes.filter((code) => gsmSeptets(String.fromCharCode(code)) === 2)).toHaveLength(10);
});

test('gsm7 - one character outside makes the text not encodable, and is named once', () => {
  expect(gsmSeptets('Forêt fermée')).toBeUndefined();
  expect(charactersOutsideGsm('Forêt fermée, être prêt 🔥🔥')).toEqual(['ê', '🔥']);
  expect(charactersOutsideGsm('Ça brûle à Å')).toEqual(['û']);
});

test('gsm7 - a receiver shows unknown escapes as the default character and a lost escape as a space', () => {
  expect(decodeGsm(Uint8Array.of(0x1b, 0x41, 0x1b, 0x1b, 0x42, 0x1b))).toBe('A B ');
  expect(decodeGsm(Uint8Array.of(0x41, 0x80))).toBe('A\ufffd');
});
