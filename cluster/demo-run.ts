/**
 * The demonstration as a person watches it: the town where there is none yet, a preview, one campaign with its
 * progress, and what came of it. Used by `all.ts` alone.
 */
import { Demo, type DemoPreview, type DemoSummary, everyOutcome, summaryOf } from './demo.ts';
import { progressLine } from './progress-bar.ts';
import { type Secrets, saveSecrets } from './secrets.ts';

/** Longest pause between two progress lines where there is no terminal to draw in. */
const plainLineMs = 1_000;

/** Where it runs: the API's address and its platform key, and the folder whose secrets keep a new town's key. */
export type DemoPlace = {
  readonly origin: string;
  readonly platformKey: string;
  readonly home: string;
  readonly secrets: Secrets;
};

/** Runs it; `say` prints a line. */
export async function demonstrate(
  { origin, platformKey, home, secrets }: DemoPlace,
  say: (line: string) => void,
): Promise<{ readonly summary: DemoSummary; readonly everyOutcome: boolean }> {
  const demo = new Demo(origin);
  let town = secrets.demo;
  if (town === undefined || !(await demo.knows(town))) {
    say('creating the demonstration town of Valmont-sur-Lys');
    town = await demo.createTown(platformKey);
    saveSecrets(home, { ...secrets, demo: town });
  }
  const { id, preview } = await demo.draft(town);
  say(previewLine(preview));
  const launchedMs = performance.now();
  const seconds = () => (performance.now() - launchedMs) / 1000;
  const draw = lineDrawer(say);
  const progress = await demo.launch(town, id, (now) => draw(progressLine(now, seconds())));
  draw(progressLine(progress, seconds()), true);
  return { summary: summaryOf(progress, seconds()), everyOutcome: everyOutcome(progress) };
}

function previewLine({ recipients, duplicates, unreachable, ...preview }: DemoPreview): string {
  const by = preview.carriers.map(({ carrier, recipients: count }) => `${count} by ${carrier}`).join(', ');
  return (
    `preview: ${recipients} recipients (${by}), ${preview.segments} segments, about ${preview.expectedSeconds} s; ` +
    `${duplicates} duplicates; cannot be reached: ${unreachable.noMobile} without a mobile, ` +
    `${unreachable.optedOut} opted out, ${unreachable.noCarrier} without a carrier`
  );
}

/** Draws one line over and over on a terminal, or a line a second elsewhere. */
function lineDrawer(say: (line: string) => void): (line: string, isLast?: boolean) => void {
  const { stdout } = process;
  let drawnMs = Number.NEGATIVE_INFINITY;
  return (line, isLast = false) => {
    if (stdout.isTTY) {
      stdout.write(`\r\x1b[2K${line.slice(0, stdout.columns - 1)}${isLast ? '\n' : ''}`);
      return;
    }
    if (!isLast && performance.now() - drawnMs < plainLineMs) return;
    drawnMs = performance.now();
    say(line);
  };
}
