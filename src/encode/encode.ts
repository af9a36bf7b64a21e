/**
 * One batch in, its frames out. Runs in encoder threads for large batches and in place on the worker's main
 * thread for small ones. Every recipient asked for ends with frames or in `refused`; a recipient never throws. Pure.
 *
 * Nothing is cached between batches: parsing a text and laying out a constant message cost about as much as one or
 * two recipients, the validity changes with every batch, and so no thread can hold a stale text.
 */

import assert from 'node:assert';
import { Fault } from '../fault.ts';
import { type CampaignContent, type EncodeTask, type Frames, recipientFields } from '../handoff.ts';
import { sourceAddress } from './address.ts';
import { FramesWriter, type RefusedReason, readFrames } from './frames.ts';
import { PackedRecipients } from './packed.ts';
import { SmsEncoder } from './sms.ts';
import { isConstant, parseTemplate, render, type Template } from '../text/template.ts';

/** What a frame of one segment takes at most, roughly: a first guess at the memory of a batch. */
const frameBytesExpected = 256;
/** `Frames.recipient` and the refusals have 16 bits for an index. */
const recipientsMax = 0x10000;

/**
 * Encodes a batch into one buffer for `readFrames`. Throws `Fault('unreadable')` when the packed recipients
 * are not as many as the batch says: then it was written wrongly and must not be sent.
 */
export function encodeBatch(task: EncodeTask): ArrayBuffer {
  assert(task.recipients <= recipientsMax, 'a batch has at most 65,536 recipients');
  const cursor = new PackedRecipients(task.packed);
  const template = templateOf(task.content, task.language);
  const source = sourceAddress(task.content.sender, task.profile);
  const writer = new FramesWriter((task.only?.length ?? task.recipients) * frameBytesExpected);
  if (template === undefined) refuseAll(task, cursor, writer, 'content');
  else if (source === undefined) refuseAll(task, cursor, writer, 'sender');
  else {
    const sms = new SmsEncoder(task.content, task.profile, source, task.nowMs);
    if (isConstant(template)) encodeConstant(task, cursor, writer, sms, template.literals[0]);
    else encodePersonal(task, cursor, writer, sms, template);
  }
  if (cursor.index + 1 !== task.recipients) {
    throw new Fault('unreadable', `a batch of ${task.recipients} recipients holds ${cursor.index + 1}`);
  }
  return writer.finish();
}

/** The encoder in place: an `Encode` without a thread, faster for batches of about ten recipients or fewer. */
export async function encodeInPlace(task: EncodeTask): Promise<Frames> {
  return readFrames(encodeBatch(task));
}

/** The text for a language, else for the campaign's own language; `undefined` when there is none that can be used. */
function templateOf(content: CampaignContent, language: string): Template | undefined {
  const { contents, defaultLanguage, fields } = content;
  const key = Object.hasOwn(contents, language) ? language : defaultLanguage;
  const text = Object.hasOwn(contents, key) ? contents[key] : undefined;
  if (text === undefined) return undefined;
  // Fields that are not packed stay known: they are missing, and their fallbacks are used.
  const template = parseTemplate(text, [...fields, ...recipientFields]);
  return template.kind === 'template' ? template : undefined;
}

function encodeConstant(
  task: EncodeTask,
  cursor: PackedRecipients,
  writer: FramesWriter,
  sms: SmsEncoder,
  text: string,
): void {
  const layout = sms.layOut(text);
  if (typeof layout === 'string') return refuseAll(task, cursor, writer, layout);
  const bodies = sms.encodeOnce(layout);
  const asked = selection(task.only);
  while (cursor.next()) {
    if (!asked(cursor.index)) continue;
    if (!cursor.hasAddress()) writer.refuse(cursor.index, 'address');
    else sms.write(writer, layout, cursor, task.firstOrdinal + cursor.index, bodies);
  }
}

function encodePersonal(
  task: EncodeTask,
  cursor: PackedRecipients,
  writer: FramesWriter,
  sms: SmsEncoder,
  template: Template,
): void {
  const values = task.content.fields.map(() => '');
  const asked = selection(task.only);
  while (cursor.next()) {
    if (!asked(cursor.index)) continue;
    if (!cursor.hasAddress()) {
      writer.refuse(cursor.index, 'address');
      continue;
    }
    cursor.readFields(values);
    const layout = sms.layOut(render(template, values));
    if (typeof layout === 'string') writer.refuse(cursor.index, layout);
    else sms.write(writer, layout, cursor, task.firstOrdinal + cursor.index);
  }
}

function refuseAll(task: EncodeTask, cursor: PackedRecipients, writer: FramesWriter, reason: RefusedReason): void {
  const asked = selection(task.only);
  while (cursor.next()) if (asked(cursor.index)) writer.refuse(cursor.index, reason);
}

/** Tells, for ascending indexes, which ones are in `only` (ascending as well); all are when it is absent. */
function selection(only: readonly number[] | undefined): (index: number) => boolean {
  if (only === undefined) return () => true;
  let position = 0;
  return (index) => {
    if (only[position] !== index) return false;
    position += 1;
    return true;
  };
}
