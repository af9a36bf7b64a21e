/**
 * `all`: runs every showing of every bench in a process of its own, writes the figures between the markers of
 * bench/README.md and draws bench/figures.svg. Main thread.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benches } from './benches.ts';
import { drawChart, type Judged } from './chart.ts';
import { packageFolder } from './folder.ts';
import type { Figure, Figures, OptionValue } from './harness.ts';
import { type Cell, renderTable } from './table.ts';

/** The figures of the file stand between these two lines. */
const markers = { begin: '<!-- figures -->', end: '<!-- end of figures -->' };

/** Runs everything; `extra` flags go to every bench (`--smoke`, `--rounds 1`). */
export async function runAll(extra: readonly string[]): Promise<void> {
  const judged: Judged[] = [];
  const sections: string[] = [];
  const failed: string[] = [];
  for (const load of Object.values(benches)) {
    const { name, showings } = await load();
    for (const { title, options, goals } of showings) {
      process.stdout.write(`\n== ${title}\n`);
      const printed = await run([name, ...flagsOf(options), ...extra]);
      if (printed === undefined) {
        failed.push(title);
        continue;
      }
      judged.push(...goals.map((goal) => ({ ...goal, measured: figureAt(printed.figures, goal.figure) })));
      sections.push(`### ${title}\n\n${printed.tables}`);
    }
  }
  const folder = join(packageFolder(), 'bench');
  const summary = renderTable(goalsTable(judged));
  writeFileSync(join(folder, 'figures.svg'), drawChart(judged));
  renew(join(folder, 'README.md'), `${summary}\n\n![The same, drawn](figures.svg)\n\n${sections.join('\n\n')}`);
  process.stdout.write(`\n${summary}\n`);
  const figures = Object.fromEntries(judged.map(({ title, measured }) => [title, measured]));
  process.stdout.write(`${JSON.stringify({ bench: 'all', figures, failed })}\n`);
  if (failed.length > 0) process.exitCode = 1;
}

type Printed = { readonly tables: string; readonly figures: Figures };

/** Runs one bench; what it printed, or nothing when it failed. */
async function run(args: readonly string[]): Promise<Printed | undefined> {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    process.stdout.write(chunk);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const lines = text.trimEnd().split('\n');
  const last = lines.at(-1) ?? '';
  if (code !== 0 || !last.startsWith('{')) return undefined;
  return { figures: JSON.parse(last) as Figures, tables: tablesIn(lines.slice(0, -1)) };
}

/** The tables of a bench's output with their titles, without its progress. */
function tablesIn(lines: readonly string[]): string {
  const kept = lines.filter((line, index) => {
    const isTitle = lines[index + 1] === '' && lines[index + 2]?.startsWith('| ') === true;
    return line.startsWith('|') || line === '' || isTitle;
  });
  return kept.join('\n').trim();
}

function flagsOf(options: Readonly<Record<string, OptionValue | undefined>>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (typeof value === 'boolean') return value ? [flag] : [];
    return [flag, String(value)];
  });
}

/** The number at a path such as `peakMegabytes.worker`. */
function figureAt(figures: Figures, path: string): number {
  let at: Figure | undefined = figures;
  for (const key of path.split('.')) at = (at as Figures | undefined)?.[key];
  return typeof at === 'number' ? at : Number.NaN;
}

/** True when a figure is as good as wanted. */
export function isMet({ measured, better }: Judged, wanted: number): boolean {
  return better === 'less' ? measured <= wanted : measured >= wanted;
}

function goalsTable(judged: readonly Judged[]) {
  const rows = judged.map((goal): Cell[] => {
    const verdict = isMet(goal, goal.aim) ? 'aim reached' : isMet(goal, goal.atLeast) ? 'reached' : 'missed';
    return [goal.title, goal.measured, goal.atLeast, goal.aim, goal.unit, verdict];
  });
  return { title: '', columns: ['figure', 'measured', 'at least', 'aim', 'unit', 'goal'], rows };
}

function renew(path: string, figures: string): void {
  const text = readFileSync(path, 'utf8');
  const [begin, end] = [text.indexOf(markers.begin), text.indexOf(markers.end)];
  if (begin < 0 || end < begin) throw new Error(`${path} has lost its markers ${markers.begin} and ${markers.end}`);
  writeFileSync(path, `${text.slice(0, begin + markers.begin.length)}\n\n${figures}\n\n${text.slice(end)}`);
}
