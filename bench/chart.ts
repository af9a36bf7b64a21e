/**
 * The chart of bench/README.md: one bar per figure, as long as the figure is good. Its scale is logarithmic in
 * "times better than at least", so that seconds, ratios and bytes stand in one picture. Pure.
 */
import type { Goal } from './harness.ts';
import { cellText } from './table.ts';

/** A goal with what was measured. */
export type Judged = Goal & { readonly measured: number };

const width = 980;
const labelWidth = 400;
const valueWidth = 150;
const rowHeight = 26;
const top = 44;
/** The scale goes from a quarter of what is wanted to eight times as good. */
const [worst, best] = [1 / 4, 8];

/** An SVG document. */
export function drawChart(judged: readonly Judged[]): string {
  const height = top + judged.length * rowHeight + 16;
  const rows = judged.map((goal, index) => row(goal, top + index * rowHeight));
  const line = x(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">`,
    '<title>Measured figures, as times better than at least wanted</title>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${line}" y="18" text-anchor="middle" fill="#444">at least</text>`,
    `<text x="${labelWidth - 8}" y="36" text-anchor="end" fill="#777">better →</text>`,
    ...rows,
    `<line x1="${line}" x2="${line}" y1="24" y2="${height - 12}" stroke="#444" stroke-dasharray="3 3"/>`,
    '</svg>',
    '',
  ].join('\n');
}

function row(goal: Judged, y: number): string {
  const { title, measured, unit, atLeast, aim, better } = goal;
  const times = (value: number) => (better === 'less' ? atLeast / value : value / atLeast);
  const end = Number.isFinite(measured) ? x(times(measured)) : labelWidth;
  const colour = times(measured) >= times(aim) ? '#2b7a4b' : times(measured) >= 1 ? '#3b6ea8' : '#b4552d';
  const middle = y + rowHeight / 2 + 4;
  const aimAt = x(times(aim));
  return [
    `<text x="${labelWidth - 8}" y="${middle}" text-anchor="end">${escaped(title)}</text>`,
    `<rect x="${labelWidth}" y="${y + 5}" width="${end - labelWidth}" height="${rowHeight - 10}" fill="${colour}"/>`,
    `<line x1="${aimAt}" x2="${aimAt}" y1="${y + 3}" y2="${y + rowHeight - 3}" stroke="#2b7a4b" stroke-width="2"/>`,
    `<text x="${width - valueWidth + 8}" y="${middle}">${escaped(`${cellText(measured)} ${unit}`)}</text>`,
  ].join('\n');
}

/** Place of "so many times as good as wanted" on the scale. */
function x(times: number): number {
  const share = Math.log(times / worst) / Math.log(best / worst);
  return Math.round(labelWidth + Math.min(1, Math.max(0, share)) * (width - labelWidth - valueWidth));
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
