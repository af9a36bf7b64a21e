/** What the two scripts of `edge` are asked, and what they answer; and the messages that both send. Pure. */
import type { OwnUse } from '../script.ts';

/** Submit `messages` over one bind, at most `window` of them unanswered. */
export type EdgeTask = {
  readonly port: number;
  readonly systemId: string;
  readonly password: string;
  readonly messages: number;
  readonly window: number;
};

/** From the first submit_sm to the last submit_sm_resp. */
export type EdgeAnswer = OwnUse & {
  readonly seconds: number;
  /** Answered with ESME_ROK and a message id. */
  readonly accepted: number;
  readonly refused: number;
};

/** Messages that differ; then they are sent again. More than twice any window, so that none is in flight twice. */
export const distinctMessages = 20_000;
/** As the worker gets them: one batch of this many. */
export const batchRecipients = 500;

/** The text of every message: GSM 03.38, one segment. */
export const text = 'Vigilance orange crue de la Lys : évitez les berges et les passages inondés. Infos en mairie.';
export const sender = 'BENCH';
export const validityPeriod = '000001000000000R';

/** Digits of recipient `index`, of country code 999, which is assigned to nobody. */
export function addressOf(index: number): string {
  return String(99_900_000_000 + index);
}
