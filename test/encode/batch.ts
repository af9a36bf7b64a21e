/** Builds encoding tasks, and reads frames as a carrier and a handset would: by submit_sm, parts joined. Pure. */
import assert from 'node:assert';
import { encodeBatch } from '../../src/encode/encode.ts';
import { readFrames } from '../../src/encode/frames.ts';
import type { CampaignContent, EncodeProfile, EncodeTask, Frames } from '../../src/handoff.ts';
import { type DecodedSubmit, readSubmitSm } from '../../src/smpp/submit.ts';
import { decodeText, type Encoding } from '../../src/text/alphabet.ts';

export const profile: EncodeProfile = {
  sourceTon: 'auto',
  sourceNpi: 1,
  destinationTon: 1,
  destinationNpi: 1,
  serviceType: '',
  defaultAlphabet: 'gsm',
  longMessages: 'udh',
  receipts: true,
  segmentsMax: 10,
};

export const content: CampaignContent = {
  campaign: '7265318273645',
  organisation: '17',
  nature: 'information',
  sender: 'Mairie',
  contents: { fr: 'Bonjour {{firstName|voisin}}, marché à 8h.', de: 'Guten Tag' },
  defaultLanguage: 'fr',
  fields: ['firstName'],
  expiresAtMs: 7_200_000,
  weight: 1,
};

/** A task of the packed `recipients` (address and fields), with whatever differs from the defaults above. */
export function taskOf(
  recipients: readonly (readonly string[])[],
  other: Partial<Omit<EncodeTask, 'content' | 'profile'>> & {
    readonly content?: Partial<CampaignContent>;
    readonly profile?: Partial<EncodeProfile>;
  } = {},
): EncodeTask {
  return {
    firstOrdinal: 0,
    recipients: recipients.length,
    language: 'fr',
    nowMs: 0,
    packed: Buffer.from(recipients.map((fields) => fields.join('\x1f')).join('\x1e')),
    ...other,
    content: { ...content, ...other.content },
    profile: { ...profile, ...other.profile },
  };
}

export function framesOf(task: EncodeTask): Frames {
  return readFrames(encodeBatch(task));
}

/** Every frame, read by the codec of submit_sm; fails when one is not exactly as long as its slice. */
export function submitsOf(frames: Frames): DecodedSubmit[] {
  return Array.from(frames.recipient, (_, index) => {
    const start = frames.offsets[index] ?? 0;
    const end = frames.offsets[index + 1] ?? 0;
    assert.equal(frames.bytes.readUInt32BE(start), end - start, 'command_length');
    assert.equal(frames.bytes.readUInt32BE(start + 4), 0x00000004, 'submit_sm');
    assert.equal(frames.bytes.readUInt32BE(start + 12), 0, 'sequence_number is for the bind to set');
    const submit = readSubmitSm(frames.bytes, start, end);
    assert(submit !== 'unreadable');
    return submit;
  });
}

const encodings: Readonly<Record<number, Encoding>> = { 0: 'gsm', 3: 'latin1', 8: 'ucs2' };

/** What of a frame a handset needs to join parts. */
export type Part = { reference: number; total: number; part: number; text: string };

/** The part that a frame carries; a message of one segment is part 1 of 1 with reference -1. */
export function partOf(submit: DecodedSubmit): Part {
  const encoding = encodings[submit.dataCoding];
  assert(encoding !== undefined, `data_coding ${submit.dataCoding}`);
  const bytes = submit.tlvs.messagePayload ?? submit.shortMessage;
  const { sar } = submit.tlvs;
  if (sar !== undefined) return { ...sar, text: decodeText(bytes, encoding) };
  if (submit.esmClass === 0) return { reference: -1, total: 1, part: 1, text: decodeText(bytes, encoding) };
  assert.equal(submit.esmClass, 0x40);
  assert.deepEqual([...bytes.subarray(0, 3)], [6, 8, 4]);
  return {
    reference: bytes.readUInt16BE(3),
    total: bytes[5] ?? 0,
    part: bytes[6] ?? 0,
    text: decodeText(bytes.subarray(7), encoding),
  };
}

/** What each recipient's handset shows, by index in the batch; fails when parts do not belong together. */
export function shownBy(frames: Frames): Map<number, { destination: string; text: string }> {
  const shown = new Map<number, { destination: string; text: string; reference: number }>();
  for (const [index, submit] of submitsOf(frames).entries()) {
    const part = partOf(submit);
    const recipient = frames.recipient[index] ?? -1;
    assert.equal(frames.segment[index], part.part - 1);
    assert.equal(frames.segments[index], part.total);
    const before = shown.get(recipient);
    assert.equal(before === undefined, part.part === 1, 'parts are adjacent and in order');
    if (before !== undefined) assert.equal(before.reference, part.reference);
    const text = (before?.text ?? '') + part.text;
    shown.set(recipient, { destination: submit.destination, text, reference: part.reference });
  }
  return new Map([...shown].map(([index, { destination, text }]) => [index, { destination, text }]));
}
