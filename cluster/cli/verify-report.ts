/** `tocsin verify-report FILE`: exported results against the database. */
import { basename } from 'node:path';
import { readCampaignProgress } from '../../src/db/campaign-progress.ts';
import { readResults } from '../../src/db/results.ts';
import { type Run, unscoped } from '../../src/db/scope.ts';
import { Fault } from '../../src/fault.ts';
import type { Id } from '../../src/handoff.ts';
import { type Difference, type StateCounts, type Verdict, verifyResults } from '../../src/report/verify.ts';
import { type Arguments, type Command, type Surroundings, usage } from './command.ts';
import { withDatabase } from './connections.ts';
import { resultsFile } from './results-file.ts';

/** Recipients that are read at once. */
const partRows = 2_000;
/** Ids are bigint in PostgreSQL. */
const idMax = 2n ** 63n - 1n;
/** Differences that are printed. */
const shownMax = 20;

/** See the head of this file. */
export const verifyReportCommand: Command = {
  name: 'verify-report',
  takes: ['FILE'],
  summary: "compare a campaign's exported results with the database",
  help: `
FILE is the whole results.csv of a campaign as GET /campaigns/ID/results.csv gives it, without a filter. Every recipient
must stand there once, with the resident, address, carrier and language that were frozen, in a state that the message
can have had: what has risen since the file was made is counted, and no difference. Of a campaign that is over, the
running counts must be those of its recipients too. Names are those of residents today, and not compared. Prints
ordinals, never numbers or names. Needs DATABASE_URL. Exit code 1 when something differs.
  --campaign ID      the campaign, when the file is not called campaign-ID.csv
JSON: {"campaign", "matches": boolean, "rows", "states", "movedOn", "differing", "differences": the first 100,
       "counts": "equal" | "differ" | "open"}`,
  options: { campaign: { type: 'string' } },
  async run(args, surroundings) {
    const [path = ''] = args.positionals;
    const campaign = campaignOf(args, path);
    return await withDatabase(surroundings, async (database) => {
      const run = unscoped(database);
      const progress = await readCampaignProgress(run, campaign);
      if (progress === undefined) throw new Fault('not-found', `there is no campaign ${campaign}`);
      const rows = readResults(run, { campaign, states: undefined, after: -1, limit: partRows });
      const verdict = await verifyResults(resultsFile(path), rows);
      const counts = await countsOf(run, campaign, verdict);
      const matches = verdict.differing === 0 && counts !== 'differ';
      say(surroundings, verdict, counts, matches);
      return { exitCode: matches ? 0 : 1, json: { campaign, matches, ...verdict, counts } };
    });
  },
};

function campaignOf({ values }: Arguments, path: string): Id {
  const given = values['campaign'];
  const id = typeof given === 'string' ? given : /^campaign-(\d+)\.csv$/.exec(basename(path))?.[1];
  if (id === undefined || !/^\d{1,19}$/.test(id) || BigInt(id) > idMax)
    throw usage('--campaign ID must say of which campaign the file is');
  return id;
}

/** Whether the running counts are those of the recipients' states; those of an open campaign move. */
async function countsOf(run: Run, campaign: Id, { states, rows }: Verdict): Promise<'equal' | 'differ' | 'open'> {
  const progress = await readCampaignProgress(run, campaign);
  if (progress === undefined || (progress.status !== 'completed' && progress.status !== 'cancelled')) return 'open';
  const { pending, unknown, submitted, cancelled, expired, failed, delivered } = states.database;
  const isEqual =
    progress.planned === rows.database &&
    progress.pending === (pending ?? 0) &&
    progress.unknown === (unknown ?? 0) &&
    progress.awaitingReceipt === (submitted ?? 0) &&
    progress.cancelled === (cancelled ?? 0) &&
    progress.expired === (expired ?? 0) &&
    progress.failed === (failed ?? 0) &&
    progress.delivered === (delivered ?? 0);
  return isEqual ? 'equal' : 'differ';
}

function say({ say: print }: Surroundings, verdict: Verdict, counts: string, matches: boolean): void {
  const { rows, states, movedOn, differences, differing } = verdict;
  print(`file:     ${rows.file} recipients: ${stateText(states.file)}`);
  print(`database: ${rows.database} recipients: ${stateText(states.database)}`);
  if (movedOn > 0) print(`${movedOn} have moved on since the file was made`);
  for (const difference of differences.slice(0, shownMax)) print(differenceText(difference));
  if (differing > shownMax) print(`and ${differing - shownMax} more`);
  if (counts === 'differ') print("the campaign's running counts are not those of its recipients");
  print(matches ? 'the file says what the database says' : 'they differ');
}

function stateText(states: StateCounts): string {
  return (
    Object.entries(states)
      .map(([state, count]) => `${count} ${state}`)
      .join(', ') || 'none'
  );
}

function differenceText(difference: Difference): string {
  switch (difference.kind) {
    case 'missing':
      return `recipient ${difference.ordinal} is missing`;
    case 'unknown':
      return `line ${difference.line}: the campaign has no recipient ${difference.ordinal}`;
    case 'doubled':
      return `line ${difference.line}: recipient ${difference.ordinal} stands there again, or out of order`;
    case 'state':
      return (
        `line ${difference.line}: recipient ${difference.ordinal} is ${difference.file}, ` +
        `which cannot have become ${difference.database}`
      );
    case 'field':
      return `line ${difference.line}: recipient ${difference.ordinal} has another ${difference.field}`;
    case 'broken':
      return `line ${difference.line}: ${difference.message}`;
  }
}
