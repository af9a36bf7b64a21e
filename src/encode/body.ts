/**
 * The text of one segment as submit_sm carries it: sm_length, user data header, text, TLVs. Runs in encoder
 * threads. Hot: allocates nothing but the fields of SAR. Pure.
 */

import { writeSubmitTlvs } from '../smpp/submit.ts';
import { tlvHeaderBytes, tlvTag, writeTlvHeader } from '../smpp/tlv.ts';
import { octetsOf, writeText } from '../text/alphabet.ts';
import { type LongForm, type Segmentation, unitsWhole } from '../text/segment.ts';

/** SMPP 3.4 §5.2.12: the short message begins with a user data header. */
export const esmClassUdh = 0x40;

/** Header with one concatenation element, 16-bit reference (3GPP TS 23.040 §9.2.3.24.8). */
const udhBytes = 7;
const referenceInUdh = 3;
/** Three SAR TLVs or the head of a payload, whichever is longer, with sm_length. */
const aroundTextBytesMax = 1 + 3 * tlvHeaderBytes + 4;

/** `data_coding` of SMPP 3.4 §5.2.19. Latin-1 is always named: what 0 means is then of no matter. */
export const dataCodings = { gsm: 0, latin1: 3, ucs2: 8 } as const;

/** How many frames a text makes: its segments, but one when the carrier cuts it. */
export function framesOf(layout: Segmentation, longForm: LongForm): number {
  return longForm === 'payload' ? 1 : layout.ends.length;
}

/** The esm_class of a text's frames. */
export function esmClassOf(layout: Segmentation, longForm: LongForm): number {
  return longForm === 'udh' && layout.ends.length > 1 ? esmClassUdh : 0;
}

/** Most octets that `writeBody` writes for one frame of this text. */
export function bodyBytesMax(layout: Segmentation, longForm: LongForm): number {
  const units = longForm === 'payload' ? layout.units : unitsWhole(layout.encoding);
  return aroundTextBytesMax + octetsOf(units, layout.encoding);
}

/**
 * Writes frame `frame` (from 0) of a text from sm_length on; returns the offset behind it. `reference` is the
 * 16-bit number that the parts of one message have in common.
 */
export function writeBody(
  buffer: Uint8Array,
  offset: number,
  layout: Segmentation,
  longForm: LongForm,
  frame: number,
  reference: number,
): number {
  const { text, encoding, ends } = layout;
  const total = ends.length;
  if (total === 1) return writeShort(buffer, offset, offset + 1, layout, 0);
  if (longForm === 'payload') {
    buffer[offset] = 0;
    const octets = octetsOf(layout.units, encoding);
    return writeText(text, encoding, buffer, writeTlvHeader(buffer, offset + 1, tlvTag.message_payload, octets));
  }
  if (longForm === 'udh') {
    return writeShort(buffer, offset, writeUdh(buffer, offset + 1, reference, total, frame + 1), layout, frame);
  }
  const end = writeShort(buffer, offset, offset + 1, layout, frame);
  return writeSubmitTlvs(buffer, end, { sar: { reference, total, part: frame + 1 } });
}

/** Writes the text of a segment at `at` and sm_length, counted from the octet behind it, at `lengthAt`. */
function writeShort(buffer: Uint8Array, lengthAt: number, at: number, layout: Segmentation, segment: number): number {
  const start = segment === 0 ? 0 : layout.ends[segment - 1];
  const end = writeText(layout.text, layout.encoding, buffer, at, start, layout.ends[segment]);
  buffer[lengthAt] = end - lengthAt - 1;
  return end;
}

function writeUdh(buffer: Uint8Array, offset: number, reference: number, total: number, part: number): number {
  buffer[offset] = udhBytes - 1;
  buffer[offset + 1] = 0x08;
  buffer[offset + 2] = 4;
  buffer[offset + referenceInUdh] = reference >> 8;
  buffer[offset + referenceInUdh + 1] = reference & 0xff;
  buffer[offset + 5] = total;
  buffer[offset + 6] = part;
  return offset + udhBytes;
}

/** The bodies of all frames of a text, for `copyBody`; their reference is 0. */
export function bodiesOf(layout: Segmentation, longForm: LongForm): Uint8Array[] {
  const room = new Uint8Array(bodyBytesMax(layout, longForm));
  return Array.from({ length: framesOf(layout, longForm) }, (_, frame) =>
    room.slice(0, writeBody(room, 0, layout, longForm, frame, 0)),
  );
}

/** Writes a body made before, with its own `reference` where the text has parts; returns the offset behind it. */
export function copyBody(
  buffer: Uint8Array,
  offset: number,
  body: Uint8Array,
  layout: Segmentation,
  longForm: LongForm,
  reference: number,
): number {
  buffer.set(body, offset);
  if (layout.ends.length > 1 && longForm !== 'payload') {
    const behindText = offset + 1 + (body[0] ?? 0);
    const at = longForm === 'udh' ? offset + 1 + referenceInUdh : behindText + tlvHeaderBytes;
    buffer[at] = reference >> 8;
    buffer[at + 1] = reference & 0xff;
  }
  return offset + body.length;
}
