/**
 * The picture of a storm: how far each organisation's campaign has come over time, a line each, coloured by weight.
 * Drawn for bench/README.md. Pure.
 */
import type { StormArrivals, Town } from './storm-log.ts';

const [width, height] = [860, 420];
const [left, right, top, bottom] = [48, 16, 30, 40];
/** Points of a line at most. */
const points = 40;
const colours: Readonly<Record<number, string>> = { 1: '#3b6ea8', 2: '#2b7a4b', 3: '#b4882d', 5: '#b4552d' };

/** An SVG document. */
export function drawStorm(arrivals: readonly StormArrivals[], towns: readonly Town[]): string {
  const startMs = Math.min(...towns.map(({ atMs }) => atMs));
  const spanMs = Math.max(...arrivals.map(({ atMs }) => atMs.at(-1) ?? startMs)) - startMs;
  const x = (atMs: number) => (left + ((atMs - startMs) / spanMs) * (width - left - right)).toFixed(1);
  const y = (share: number) => (height - bottom - share * (height - top - bottom)).toFixed(1);
  const lines = arrivals.map(({ atMs }, index) => {
    const step = Math.max(1, Math.floor(atMs.length / points));
    const places = [`${x(towns[index]?.atMs ?? startMs)},${y(0)}`];
    for (let at = step - 1; at < atMs.length; at += step)
      places.push(`${x(atMs[at] as number)},${y((at + 1) / atMs.length)}`);
    places.push(`${x(atMs.at(-1) ?? startMs)},${y(1)}`);
    return `<polyline points="${places.join(' ')}" stroke="${colours[towns[index]?.weight ?? 1] ?? '#777'}"/>`;
  });
  const seconds = Math.floor(spanMs / 1000);
  const every = Math.max(1, Math.ceil(seconds / 80) * 10);
  const ticks = Array.from({ length: Math.floor(seconds / every) + 1 }, (_, index) => index * every);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    '<title>Share of each campaign that was submitted, over time; a line for each organisation</title>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...Object.entries(colours).map(
      ([weight, colour], index) => `<text x="${left + index * 80}" y="18" fill="${colour}">weight ${weight}</text>`,
    ),
    ...[0, 0.5, 1].map(
      (share) => `<text x="${left - 6}" y="${y(share)}" text-anchor="end" fill="#444">${share * 100} %</text>`,
    ),
    ...ticks.map(
      (second) => `<text x="${x(startMs + second * 1000)}" y="${height - 18}" text-anchor="middle">${second} s</text>`,
    ),
    '<g fill="none" stroke-width="1" stroke-opacity="0.6">',
    ...lines,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}
