/**
 * Texts of one batch → submit_sm frames. Runs in encoder threads. Leaves sequence_number 0 for the bind; gives
 * every segment its own receipt and the remaining validity. Never drops a part: a message is refused whole. Pure.
 */

import type { CampaignContent, EncodeProfile } from '../handoff.ts';
import { finishPdu } from '../smpp/submit.ts';
import type { Encoding } from '../text/alphabet.ts';
import { type Segmentation, segmentText } from '../text/segment.ts';
import type { SourceAddress } from './address.ts';
import { bodiesOf, bodyBytesMax, copyBody, dataCodings, esmClassOf, framesOf, writeBody } from './body.ts';
import type { FramesWriter, RefusedReason } from './frames.ts';
import { cast, castBytesMax, type Mould, makeMould, type SharedFields } from './mould.ts';
import type { PackedRecipients } from './packed.ts';
import { validityPeriod } from './validity.ts';

/** SMPP 3.4 §5.2.14 priority_flag, as GSM networks read it: 0 is the lowest, 3 the highest. */
const priorities = { alert: 3, information: 0 } as const;
/** A part number has one octet in the user data header and in SAR. */
const partsMax = 255;
/** SMPP 3.4 §5.2.17: a receipt on success and on failure. */
const receiptOnOutcome = 1;

/** Writes the messages of one batch: one campaign through one carrier. */
export class SmsEncoder {
  readonly #profile: EncodeProfile;
  readonly #segmentsMax: number;
  readonly #shared: SharedFields;
  readonly #campaignReference: number;
  /** Heads of frames by esm_class and encoding, made when first needed: a batch seldom has more than two. */
  readonly #moulds = new Map<number, Mould>();

  constructor(content: CampaignContent, profile: EncodeProfile, source: SourceAddress, nowMs: number) {
    this.#profile = profile;
    this.#segmentsMax = Math.min(profile.segmentsMax, partsMax);
    this.#campaignReference = hash16(content.campaign);
    this.#shared = {
      serviceType: profile.serviceType,
      sourceTon: source.ton,
      sourceNpi: source.npi,
      source: source.address,
      destinationTon: profile.destinationTon,
      destinationNpi: profile.destinationNpi,
      esmClass: 0,
      protocolId: 0,
      priority: priorities[content.nature],
      scheduleDelivery: '',
      validityPeriod: validityPeriod(content.expiresAtMs - nowMs),
      registeredDelivery: profile.receipts ? receiptOnOutcome : 0,
      replaceIfPresent: 0,
      dataCoding: 0,
    };
  }

  /** How `text` is sent, or why it cannot be. */
  layOut(text: string): Segmentation | RefusedReason {
    if (isBlank(text)) return 'empty';
    const layout = segmentText(text, this.#profile.longMessages, this.#profile.defaultAlphabet);
    return layout.ends.length > this.#segmentsMax ? 'too-long' : layout;
  }

  /** The encoded text, for `write`, of a message that is the same for many. */
  encodeOnce(layout: Segmentation): readonly Uint8Array[] {
    return bodiesOf(layout, this.#profile.longMessages);
  }

  /**
   * Writes all frames of a text to the cursor's present recipient, who has the number `ordinal` in the
   * campaign. `bodies`, from `encodeOnce`, saves encoding the text again.
   */
  write(
    writer: FramesWriter,
    layout: Segmentation,
    to: PackedRecipients,
    ordinal: number,
    bodies?: readonly Uint8Array[],
  ): void {
    const longForm = this.#profile.longMessages;
    const mould = this.#mouldFor(esmClassOf(layout, longForm), layout.encoding);
    const frames = framesOf(layout, longForm);
    // The odd factor spreads neighbours, whose campaigns' hashes may be neighbours too.
    const reference = (this.#campaignReference + Math.imul(ordinal, 0x9e3b)) & 0xffff;
    writer.reserve(frames * (castBytesMax(mould) + bodyBytesMax(layout, longForm)));
    for (let frame = 0; frame < frames; frame += 1) {
      const { at, buffer } = writer;
      const behindHead = cast(mould, buffer, at, to.text, to.addressStart, to.addressEnd);
      const body = bodies?.[frame];
      const end =
        body === undefined
          ? writeBody(buffer, behindHead, layout, longForm, frame, reference)
          : copyBody(buffer, behindHead, body, layout, longForm, reference);
      writer.commit(finishPdu(buffer, at, end), to.index, frame, frames);
    }
  }

  #mouldFor(esmClass: number, encoding: Encoding): Mould {
    const dataCoding = dataCodings[encoding];
    const key = (esmClass << 8) | dataCoding;
    const known = this.#moulds.get(key);
    if (known !== undefined) return known;
    const mould = makeMould({ ...this.#shared, esmClass, dataCoding });
    this.#moulds.set(key, mould);
    return mould;
  }
}

function isBlank(text: string): boolean {
  // Most texts begin with a letter: no need to look further.
  return !(text.charCodeAt(0) > 0x20) && text.trim() === '';
}

/** FNV-1a over the characters of an id, folded to 16 bits: the same on every worker and at every attempt. */
function hash16(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return ((hash >>> 16) ^ hash) & 0xffff;
}
