/**
 * What launching a campaign would take: segments and time, by carrier and language. Runs in the API process.
 * Exact for texts that are the same for everybody; for personal ones reckoned from a sample of the audience. Pure.
 */
import type { AudienceGroup, GroupSample, RecipientField } from '../db/audience.ts';
import { previewText, type RecipientValues, segmentsForEach, type TextPreview } from '../text/contents.ts';
import type { Contents, EncodeProfile } from '../handoff.ts';

/** What the preview must know of a carrier. */
export type PreviewCarrier = {
  readonly name: string;
  /** Segments a second over all of its binds. */
  readonly ratePerSecond: number;
  readonly longMessages: EncodeProfile['longMessages'];
  readonly defaultAlphabet: EncodeProfile['defaultAlphabet'];
};

/** Recipients of one carrier and language, and what their messages take. */
export type GroupPreview = AudienceGroup & {
  readonly encoding: 'gsm' | 'latin1' | 'ucs2';
  /** Fewest and most segments of one message. */
  readonly segmentsLeast: number;
  readonly segmentsMost: number;
  /** In all. */
  readonly segments: number;
  /** Characters of the text that force UCS-2; empty when it is not. */
  readonly forcesUcs2: string[];
  readonly personalised: boolean;
};

/** What one carrier has to do. */
export type CarrierPreview = {
  readonly carrier: string;
  readonly recipients: number;
  readonly segments: number;
  /** At its rate, when nothing else waits. */
  readonly seconds: number;
};

/** What a launch would take. */
export type CampaignPreview = {
  readonly segments: number;
  /** Until the last segment is submitted: carriers work side by side, so the slowest decides. */
  readonly expectedSeconds: number;
  readonly groups: GroupPreview[];
  readonly carriers: CarrierPreview[];
  /** Each text as somebody would read it. */
  readonly examples: { readonly language: string; readonly text: string }[];
};

/** Some of the audience, as far as texts are concerned; `fields` are those of every reader. */
export type Sample = { readonly fields: readonly RecipientField[]; readonly samples: readonly GroupSample[] };

/** Adds up what the groups of an audience take. Their languages are those of `contents`, texts are valid. */
export function previewCampaign(
  contents: Contents,
  summary: readonly AudienceGroup[],
  carriers: readonly PreviewCarrier[],
  sample: Sample,
): CampaignPreview {
  const groups = summary.flatMap((group) => {
    const carrier = carriers.find(({ name }) => name === group.carrier);
    return carrier === undefined ? [] : [previewGroup(contents[group.language] ?? '', group, carrier, sample)];
  });
  const shares = carriers.map((carrier) => shareOf(carrier, groups)).filter((share) => share.recipients > 0);
  return {
    segments: shares.reduce((sum, share) => sum + share.segments, 0),
    expectedSeconds: shares.reduce((longest, share) => Math.max(longest, share.seconds), 0),
    groups,
    carriers: shares,
    examples: Object.entries(contents).flatMap(([language, text]) => exampleOf(language, text, sample)),
  };
}

function shareOf(carrier: PreviewCarrier, groups: readonly GroupPreview[]): CarrierPreview {
  const own = groups.filter((group) => group.carrier === carrier.name);
  const recipients = own.reduce((sum, group) => sum + group.recipients, 0);
  const segments = own.reduce((sum, group) => sum + group.segments, 0);
  return { carrier: carrier.name, recipients, segments, seconds: Math.ceil(segments / carrier.ratePerSecond) };
}

function previewGroup(text: string, group: AudienceGroup, carrier: PreviewCarrier, sample: Sample): GroupPreview {
  const { encoding, segments, forcesUcs2, personalised } = describe(text, carrier);
  const counts = personalised ? segmentsForEach(text, carrier, sample.fields, readersLike(group, sample)) : [];
  const mean = counts.length === 0 ? segments : counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return {
    carrier: group.carrier,
    language: group.language,
    recipients: group.recipients,
    encoding,
    segmentsLeast: counts.reduce((least, count) => Math.min(least, count), segments),
    segmentsMost: counts.reduce((most, count) => Math.max(most, count), segments),
    segments: Math.round(mean * group.recipients),
    forcesUcs2: [...forcesUcs2],
    personalised,
  };
}

/** Those of the sample who read the group's language, or else all. */
function readersLike({ language }: AudienceGroup, { samples }: Sample): readonly (readonly string[])[] {
  const same = samples.filter((sample) => sample.language === language && sample.readers.length > 0);
  const like = same.length > 0 ? same : samples;
  // One carrier, mostly, so nothing is to be put together.
  return like.length === 1 ? (like[0]?.readers ?? []) : like.flatMap(({ readers }) => readers);
}

type Described = Pick<TextPreview, 'encoding' | 'segments' | 'forcesUcs2' | 'personalised'>;

function describe(text: string, carrier: PreviewCarrier): Described {
  const preview = previewText(text, carrier);
  if (preview.kind === 'preview') return preview;
  return { encoding: 'gsm', segments: 0, forcesUcs2: [], personalised: false };
}

function exampleOf(language: string, text: string, { fields, samples }: Sample) {
  const reader = samples.find((sample) => sample.language === language)?.readers[0];
  const values: RecipientValues | undefined =
    reader && Object.fromEntries(fields.map((field, index) => [field, reader[index]]));
  const preview = previewText(text, { longMessages: 'udh' }, values);
  return preview.kind === 'preview' ? [{ language, text: preview.text }] : [];
}
