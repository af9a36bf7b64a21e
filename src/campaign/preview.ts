/**
 * What launching a campaign would take: segments and time, by carrier and language. Runs in the API process.
 * Exact for texts that are the same for everybody; for personal ones reckoned from a sample of the audience. Pure.
 */
import type { AudienceGroup } from '../db/audience.ts';
import { previewText, type RecipientValues } from '../text/contents.ts';
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
  readonly forcesUcs2: readonly string[];
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
  readonly groups: readonly GroupPreview[];
  readonly carriers: readonly CarrierPreview[];
  /** Each text as somebody would read it. */
  readonly examples: readonly { readonly language: string; readonly text: string }[];
};

/** Somebody of the audience, as far as texts are concerned. */
export type SampledResident = RecipientValues & { readonly language: string };

/** Adds up what the groups of an audience take. Their languages are those of `contents`, texts are valid. */
export function previewCampaign(
  contents: Contents,
  summary: readonly AudienceGroup[],
  carriers: readonly PreviewCarrier[],
  sample: readonly SampledResident[],
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

function previewGroup(
  text: string,
  group: AudienceGroup,
  carrier: PreviewCarrier,
  sample: readonly SampledResident[],
): GroupPreview {
  const usual = describe(text, carrier, undefined);
  const same = sample.filter((resident) => resident.language === group.language);
  const readers = usual.personalised ? (same.length > 0 ? same : sample) : [];
  const counts = readers.map((reader) => describe(text, carrier, reader).segments);
  const mean = counts.length === 0 ? usual.segments : counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return {
    ...group,
    encoding: usual.encoding,
    segmentsLeast: counts.reduce((least, count) => Math.min(least, count), usual.segments),
    segmentsMost: counts.reduce((most, count) => Math.max(most, count), usual.segments),
    segments: Math.round(mean * group.recipients),
    forcesUcs2: usual.forcesUcs2,
    personalised: usual.personalised,
  };
}

type Described = Pick<GroupPreview, 'encoding' | 'segments' | 'forcesUcs2' | 'personalised'>;

function describe(text: string, carrier: PreviewCarrier, reader: RecipientValues | undefined): Described {
  const preview = previewText(text, carrier, reader);
  if (preview.kind === 'preview') return preview;
  return { encoding: 'gsm', segments: 0, forcesUcs2: [], personalised: false };
}

function exampleOf(language: string, text: string, sample: readonly SampledResident[]) {
  const reader = sample.find((resident) => resident.language === language);
  const preview = previewText(text, { longMessages: 'udh' }, reader);
  return preview.kind === 'preview' ? [{ language, text: preview.text }] : [];
}
