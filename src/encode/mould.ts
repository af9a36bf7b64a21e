/**
 * A mould: the octets of a submit_sm before and behind its destination, of which heads of frames are cast by
 * putting a destination between. Runs in encoder threads. Hot: casting allocates nothing. Pure.
 */

import { destinationOffset, type MessageHead, messageHeadBytes, writeSubmitHead } from '../smpp/submit.ts';

/** What is the same in many frames. */
export type Mould = {
  /** From command_length to dest_addr_npi. */
  readonly before: Uint8Array;
  /** From esm_class to sm_default_msg_id; sm_length follows. */
  readonly after: Uint8Array;
};

/** Everything of a submit_sm before sm_length that the recipients of a batch share. */
export type SharedFields = Omit<MessageHead, 'destination'>;

/** Longest destination_addr with its NUL (SMPP 3.4 §4.4.1). */
const destinationBytesMax = 21;

/** A mould of the fields of `shared`. */
export function makeMould(shared: SharedFields): Mould {
  const fields: MessageHead = { ...shared, destination: '' };
  const head = new Uint8Array(messageHeadBytes(fields));
  writeSubmitHead(head, 0, fields);
  const destination = destinationOffset(fields);
  // One more than the offset: the NUL of the empty destination is left out, casting writes it.
  return { before: head.slice(0, destination), after: head.slice(destination + 1) };
}

/** Most octets that `cast` writes. */
export function castBytesMax(mould: Mould): number {
  return mould.before.length + destinationBytesMax + mould.after.length;
}

/** Writes a mould with the destination `text[start, end)`, which is ASCII; returns the offset behind it. */
export function cast(mould: Mould, buffer: Buffer, offset: number, text: string, start: number, end: number): number {
  buffer.set(mould.before, offset);
  let at = offset + mould.before.length;
  for (let index = start; index < end; index += 1) {
    buffer[at] = text.charCodeAt(index);
    at += 1;
  }
  buffer[at] = 0;
  at += 1;
  buffer.set(mould.after, at);
  return at + mould.after.length;
}
