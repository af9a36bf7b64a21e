/**
 * Commands to a campaign become facts: its new status and the planner's command are written in one
 * transaction, and only then does the command go to the stream. API process. A command that never reaches the
 * stream is found in the outbox by the planner, which empties it too, so nothing here waits long for Redis. A launch
 * needs no row there: the planner looks for launched campaigns all the time.
 */
import assert from 'node:assert';
import type { Clock } from '../clock.ts';
import { type CampaignRow, hasRecipient, launchCampaignRow, lockCampaign, moveCampaignRow } from '../db/campaigns.ts';
import type { Run } from '../db/scope.ts';
import type { Id } from '../handoff.ts';
import type { Log } from '../telemetry.ts';
import { type CampaignCommand, moveCampaign } from './state.ts';

/** What became of a command. */
export type Accepted =
  | { readonly kind: 'accepted'; readonly campaign: CampaignRow; readonly told: Told | undefined }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly because: string }
  | { readonly kind: 'no-recipients' };

/** A command that the planner has to be told, and finds by itself otherwise. */
export type Told = { readonly campaign: Id; readonly command: CampaignCommand };

/**
 * Gives a campaign its new status, inside the caller's transaction; anything but `accepted` changes nothing.
 * `prefixes` are the numbers that carriers serve: a campaign that reaches nobody is not launched. `traceParent`: the
 * request's place in a trace, which a launch hands on.
 */
export async function acceptCommand(
  run: Run,
  id: Id,
  command: CampaignCommand,
  prefixes: readonly string[],
  traceParent?: string,
): Promise<Accepted> {
  const campaign = await lockCampaign(run, id);
  if (campaign === undefined) return { kind: 'unknown' };
  const move = moveCampaign(campaign.status, command, campaign.plannedAt !== null);
  if (move.kind === 'refused') return move;
  const launches = command === 'launch';
  if (launches && !(await hasRecipient(run, campaign.audience, prefixes))) return { kind: 'no-recipients' };
  const moved = await moveCampaignRow(run, id, { to: move.to, tell: move.tell, launches, traceParent });
  return { kind: 'accepted', campaign: moved, told: toldOf(moved, move.tell) };
}

/**
 * Launches a draft in one statement and its own transaction. Undefined, with nothing changed, when it cannot be
 * launched just so: `acceptCommand` then says why.
 */
export async function acceptLaunch(
  run: Run,
  id: Id,
  prefixes: readonly string[],
  traceParent?: string,
): Promise<Accepted | undefined> {
  const move = moveCampaign('draft', 'launch', false);
  assert(move.kind === 'moved', 'a draft can be launched');
  const moved = await launchCampaignRow(run, id, { from: 'draft', to: move.to, traceParent }, prefixes);
  if (moved === undefined) return undefined;
  return { kind: 'accepted', campaign: moved, told: toldOf(moved, move.tell) };
}

function toldOf({ id }: CampaignRow, command: CampaignCommand | undefined): Told | undefined {
  return command === undefined ? undefined : { campaign: id, command };
}

/** What passing a command on needs. */
export type Telling = {
  readonly publish: (campaign: Id, command: CampaignCommand) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  /** Longest wait. */
  readonly publishMs: number;
};

/**
 * Passes a committed command on to the planner. Resolves when that is done or `publishMs` have passed; never
 * rejects, because the command is a fact already.
 */
export async function tellPlanner(told: Told, telling: Telling): Promise<void> {
  const { campaign, command } = told;
  const passedOn = telling
    .publish(campaign, command)
    .catch((error: unknown) => telling.log.warn('campaign.command.left-to-outbox', { campaign, command }, error));
  await new Promise<void>((resolve) => {
    const cancel = telling.clock.after(telling.publishMs, resolve);
    void passedOn.then(() => {
      cancel();
      resolve();
    });
  });
}
