/** A campaign's progress as one line of text. Pure. */
import type { Progress } from '../src/handoff.ts';

/** Characters of the bar itself. */
const barWidth = 24;

/** The line: bar, counts, rate and time left. `elapsedSeconds` counts from the launch. */
export function progressLine(progress: Progress, elapsedSeconds: number): string {
  const { planned, submitted, delivered, failed, unknown, expired, cancelled } = progress;
  const final = delivered + failed + unknown + expired + cancelled;
  const share = planned === 0 ? 0 : final / planned;
  const filled = Math.round(share * barWidth);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`;
  const perSecond = elapsedSeconds > 0 ? final / elapsedSeconds : 0;
  const left = perSecond > 0 ? secondsText((planned - final) / perSecond) : '–';
  const percent = String(Math.floor(share * 100)).padStart(3);
  return [
    `${bar} ${percent} %`,
    `planned ${number(planned)}`,
    `submitted ${number(submitted)}`,
    `delivered ${number(delivered)}`,
    `failed ${number(failed)}`,
    `unknown ${number(unknown)}`,
    `${number(Math.round(perSecond))}/s`,
    `left ${left}`,
  ].join('  ');
}

function number(count: number): string {
  return count.toLocaleString('en');
}

function secondsText(seconds: number): string {
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return seconds >= 60 ? `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s` : `${Math.ceil(seconds)} s`;
}
