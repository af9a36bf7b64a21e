/**
 * What makes a campaign's sender and texts acceptable. Everything that is wrong is told at once, so that an
 * author corrects it once. Runs in the API process. Pure.
 */
import { contentProblems, previewText } from '../text/contents.ts';
import type { Contents } from '../handoff.ts';
import { gsmSeptets } from '../text/gsm7.ts';

/** One thing wrong with a campaign. `field` is a path such as `contents.fr`. */
export type CampaignProblem = { readonly field: string; readonly reason: string; readonly message: string };

/** The part of a campaign that is checked here. */
export type CampaignText = {
  readonly sender: string;
  readonly contents: Contents;
  readonly defaultLanguage: string;
};

/** Most characters of an alphanumeric sender: the address of 3GPP TS 23.040 §9.1.2.5 holds 11 septets. */
const senderSeptetsMax = 11;

/**
 * Everything that is wrong with a campaign's sender and texts; empty when it is acceptable. A text may take at
 * most `segmentsMax` segments for an ordinary recipient.
 */
export function campaignProblems(text: CampaignText, segmentsMax: number): CampaignProblem[] {
  const wrong = contentProblems(text.contents, text.defaultLanguage).map(({ path, reason, message, position }) => {
    const where = position === undefined ? '' : ` (at character ${position + 1})`;
    return { field: path, reason, message: message + where };
  });
  return [...senderProblems(text.sender), ...wrong, ...tooLong(text.contents, segmentsMax)];
}

function senderProblems(sender: string): CampaignProblem[] {
  if (isSender(sender)) return [];
  const message =
    'a sender is 3 to 15 digits, or 1 to 11 characters that are in both ASCII and the GSM alphabet, with a letter ' +
    'among them and no space at either end';
  return [{ field: 'sender', reason: 'sender', message }];
}

/** True for a numeric source address, or an alphanumeric one that every carrier can show. */
export function isSender(sender: string): boolean {
  if (/^[0-9]{3,15}$/u.test(sender)) return true;
  const printable = /^[\x20-\x7e]+$/u.test(sender) && /[A-Za-z]/u.test(sender) && sender.trim() === sender;
  const septets = gsmSeptets(sender);
  // A character of the extension table takes two septets, and senders cannot carry it.
  return printable && septets === sender.length && septets <= senderSeptetsMax;
}

function tooLong(contents: Contents, segmentsMax: number): CampaignProblem[] {
  return Object.entries(contents).flatMap(([language, text]) => {
    // The form with the least room: 16-bit UDH.
    const preview = previewText(text, { longMessages: 'udh' });
    if (preview.kind === 'error' || preview.segments <= segmentsMax) return [];
    const message = `the text takes ${preview.segments} segments, and at most ${segmentsMax} are allowed`;
    return [{ field: `contents.${language}`, reason: 'text-too-long', message }];
  });
}
