/** Which command leads where. */
import { expect, test } from 'vitest';
import { type CampaignCommand, campaignStatuses, isFinished, moveCampaign } from '../../src/campaign/state.ts';

const commands: CampaignCommand[] = ['launch', 'pause', 'resume', 'cancel'];
const to = (status: (typeof campaignStatuses)[number], command: CampaignCommand, planned = true) => {
  const move = moveCampaign(status, command, planned);
  return move.kind === 'moved' ? `${move.to} ${move.tell ?? 'nothing'}` : 'refused';
};

test('state - every command in every status leads where the drawing says', () => {
  const table = Object.fromEntries(
    campaignStatuses.map((status) => [status, commands.map((command) => to(status, command))]),
  );
  const no = 'refused';
  expect(table).toEqual({
    draft: ['launched launch', no, no, 'cancelled nothing'],
    launched: [no, 'paused pause', no, 'cancelling cancel'],
    sending: [no, 'paused pause', no, 'cancelling cancel'],
    paused: [no, no, 'sending resume', 'cancelling cancel'],
    cancelling: [no, no, no, no],
    completed: [no, no, no, no],
    cancelled: [no, no, no, no],
  });
});

test('state - a campaign that was paused before it was planned is launched again', () => {
  expect(to('paused', 'resume', false)).toBe('launched launch');
});

test('state - a refusal says what the campaign is and what was asked', () => {
  const refusal = { kind: 'refused', because: expect.stringMatching(/completed.*cancel/u) };
  expect(moveCampaign('completed', 'cancel', true)).toEqual(refusal);
});

test('state - only completed and cancelled campaigns are finished', () => {
  expect(campaignStatuses.filter(isFinished)).toEqual(['completed', 'cancelled']);
});
