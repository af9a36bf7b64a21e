/**
 * PostgreSQL arrays in its binary format, as parameters of a statement: nothing is escaped, and nothing parsed. Format:
 * PostgreSQL's src/backend/utils/adt/arrayfuncs.c, array_send. API process. Pure.
 */
const headerBytes = 20;
/** Oid of types, which never change. */
const [int4, text] = [23, 25];
/** Bytes of a UTF-16 code unit in UTF-8, at most. */
const bytesPerUnitMax = 3;

function writeHeader(bytes: Buffer, type: number, length: number, hasNulls: boolean): void {
  // An empty array has no dimension. Its first element has the index 1.
  const header = length === 0 ? [0, 0, type] : [1, hasNulls ? 1 : 0, type, length, 1];
  header.forEach((value, index) => bytes.writeInt32BE(value, index * 4));
}

/** Longer texts, and what is not ASCII, are Buffer's business, of which a call costs more than a short text's bytes. */
const shortUnits = 40;

function writeText(bytes: Buffer, text: string, start: number): number {
  if (text.length > shortUnits) return bytes.write(text, start);
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) return bytes.write(text, start);
    bytes[start + index] = unit;
  }
  return text.length;
}

/** A `text[]`. No text may hold U+0000. */
export function textArray(values: readonly (string | null)[]): Buffer {
  let bytesMax = headerBytes;
  for (const value of values) bytesMax += 4 + (value === null ? 0 : value.length * bytesPerUnitMax);
  const bytes = Buffer.allocUnsafe(bytesMax);
  let end = headerBytes;
  let hasNulls = false;
  for (const value of values) {
    const length = value === null ? -1 : writeText(bytes, value, end + 4);
    end = bytes.writeInt32BE(length, end) + Math.max(0, length);
    hasNulls ||= value === null;
  }
  writeHeader(bytes, text, values.length, hasNulls);
  return bytes.subarray(0, values.length === 0 ? 12 : end);
}

/** An `integer[]`. */
export function int4Array(values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes + values.length * 8);
  values.forEach((value, index) => {
    bytes.writeInt32BE(4, headerBytes + index * 8);
    bytes.writeInt32BE(value, headerBytes + index * 8 + 4);
  });
  writeHeader(bytes, int4, values.length, false);
  return bytes.subarray(0, values.length === 0 ? 12 : undefined);
}
