/**
 * The progress bar of a bench: one line drawn over and over on a terminal, a line every few seconds elsewhere. Main
 * thread. Never keeps the process alive.
 */
import type { WriteStream } from 'node:tty';

const barWidth = 24;
/** Pause between two lines where there is no terminal to draw in. */
const plainLineMs = 5_000;
/** Pause between two drawings on a terminal. */
const drawMs = 50;

/** Draws `label ████░░ 42 % 1,234 of 5,678`. */
export class ProgressBar {
  readonly #out: WriteStream;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #isDrawn = false;

  constructor(out: WriteStream) {
    this.#out = out;
  }

  /** How far `label` has come. */
  show(label: string, done: number, of: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#drawnMs < (this.#out.isTTY ? drawMs : plainLineMs)) return;
    this.#drawnMs = nowMs;
    const line = progressText(label, done, of);
    if (!this.#out.isTTY) {
      this.#out.write(`${line}\n`);
      return;
    }
    this.#out.write(`\r\x1b[2K${line.slice(0, this.#out.columns - 1)}`);
    this.#isDrawn = true;
  }

  /** Takes the bar away, so that something else can be printed. */
  clear(): void {
    if (this.#isDrawn) this.#out.write('\r\x1b[2K');
    this.#isDrawn = false;
  }
}

/** The line that is drawn. */
export function progressText(label: string, done: number, of: number): string {
  const share = of === 0 ? 0 : Math.min(1, done / of);
  const filled = Math.round(share * barWidth);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`;
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `${label}  ${bar} ${percent} %  ${done.toLocaleString('en')} of ${of.toLocaleString('en')}`;
}
