/**
 * Which command an organisation may give to a campaign in which status, and where it leads. Runs in the API
 * process, inside the transaction that holds the campaign's row. Pure.
 *
 *   draft ──launch──► launched ──(planner)──► sending ──(planner)──► completed
 *     │                  │  ▲                  │  ▲
 *     │                pause resume          pause resume
 *     │                  ▼  │                  ▼  │
 *     │                 paused ◄──────────────► paused
 *     └─cancel─► cancelled ◄──(planner)── cancelling ◄─cancel── launched, sending, paused
 */
import type { CampaignStatus } from '../handoff.ts';

/** What an organisation may tell a campaign to do. */
export type CampaignCommand = 'launch' | 'pause' | 'resume' | 'cancel';

/** Where a command leads, or why it leads nowhere. */
export type Move =
  | {
      readonly kind: 'moved';
      readonly to: CampaignStatus;
      /** What the planner has to be told, if anything. */
      readonly tell: CampaignCommand | undefined;
    }
  | { readonly kind: 'refused'; readonly because: string };

/** Every status, in order of a campaign's life. */
export const campaignStatuses = [
  'draft',
  'launched',
  'sending',
  'paused',
  'cancelling',
  'completed',
  'cancelled',
] as const satisfies readonly CampaignStatus[];

/** True when nothing more happens to a campaign in this status. */
export function isFinished(status: CampaignStatus): boolean {
  return status === 'completed' || status === 'cancelled';
}

/**
 * Where `command` leads a campaign in `status`. `planned`: its recipients are frozen already. A campaign that
 * was paused before it was planned has nothing to resume, so the planner is told to launch it.
 */
export function moveCampaign(status: CampaignStatus, command: CampaignCommand, planned: boolean): Move {
  switch (command) {
    case 'launch':
      return status === 'draft' ? moved('launched', 'launch') : refused(command, status);
    case 'pause':
      return status === 'launched' || status === 'sending' ? moved('paused', 'pause') : refused(command, status);
    case 'resume':
      if (status !== 'paused') return refused(command, status);
      return planned ? moved('sending', 'resume') : moved('launched', 'launch');
    case 'cancel':
      if (status === 'draft') return moved('cancelled', undefined);
      return status === 'launched' || status === 'sending' || status === 'paused'
        ? moved('cancelling', 'cancel')
        : refused(command, status);
  }
}

function moved(to: CampaignStatus, tell: CampaignCommand | undefined): Move {
  return { kind: 'moved', to, tell };
}

const standing: Readonly<Record<CampaignStatus, string>> = {
  draft: 'a draft that was not launched yet',
  launched: 'launched already',
  sending: 'being sent already',
  paused: 'paused',
  cancelling: 'being cancelled',
  completed: 'completed',
  cancelled: 'cancelled',
};

function refused(command: CampaignCommand, status: CampaignStatus): Move {
  return { kind: 'refused', because: `The campaign is ${standing[status]}; ${command} is not possible.` };
}
