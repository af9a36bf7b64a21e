/** The picture of a simulation: what the carriers got over time, stacked, slots held, and what happened. Pure. */
import type { VirtualCarrier } from './carrier.ts';
import type { Plan } from './plan.ts';

/** What is drawn. */
export type Drawn = {
  readonly plan: Plan;
  readonly carriers: readonly Pick<VirtualCarrier, 'contract' | 'perMs'>[];
  /** Slots held of each carrier, every `sampleMs`. */
  readonly slotsHeld: readonly (readonly number[])[];
  readonly sampleMs: number;
};

const [width, height] = [860, 520];
const [left, right, top] = [76, 16, 64];
const rateHeight = 280;
const slotsTop = top + rateHeight + 40;
const slotsHeight = 90;
const colours = ['#1f4e79', '#2e75b6', '#1b6b50', '#3c9d78', '#8a6d1d', '#c29a35', '#8c3b2a', '#c56a4d'];
const stepMs = 500;

/** An SVG document. */
export function drawSimulation(drawn: Drawn): string {
  const { plan, carriers } = drawn;
  const { endMs } = plan.timeline;
  const x = (ms: number) => (left + (ms / endMs) * (width - left - right)).toFixed(1);
  const total = plan.contracts.reduce((sum, { ratePerSecond }) => sum + ratePerSecond, 0);
  const y = (rate: number) => (top + rateHeight * (1 - rate / (total * 1.05))).toFixed(1);
  const seconds = Array.from({ length: Math.floor(endMs / 10_000) + 1 }, (_, index) => index * 10_000);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${plan.workers} workers on ${bindsOf(plan)} binds of ${carriers.length} carriers, in virtual time</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...stack(carriers, endMs).map(({ points }, index) => {
      const places = points.map(([ms, rate]) => `${x(ms)},${y(rate)}`);
      return `<polygon points="${places.join(' ')}" fill="${colours[index % 8]}"/>`;
    }),
    `<line x1="${left}" x2="${width - right}" y1="${y(total)}" y2="${y(total)}" stroke="#111" stroke-dasharray="4 3"/>`,
    text(left - 6, y(total), 'end', total.toLocaleString('en')),
    text(left - 6, y(0), 'end', '0'),
    text(left - 6, String(top + 36), 'end', 'segments/s'),
    ...slots(drawn, x),
    ...marks(plan, x),
    ...seconds.map((ms) => text(Number(x(ms)), String(slotsTop + slotsHeight + 18), 'middle', `${ms / 1000} s`)),
    ...legend(plan),
    '</svg>',
    '',
  ].join('\n');
}

function bindsOf({ contracts }: Plan): number {
  return contracts.reduce((sum, { binds }) => sum + binds, 0);
}

function text(x: number, y: string, anchor: string, what: string): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="#333">${what}</text>`;
}

/** Areas on top of one another, as points of milliseconds and segments a second. */
function stack(carriers: Drawn['carriers'], endMs: number): { points: [number, number][] }[] {
  const steps = Math.floor(endMs / stepMs);
  let below = new Array<number>(steps).fill(0);
  return carriers.map(({ perMs }) => {
    const above = below.map((base, step) => {
      let sent = 0;
      for (let ms = step * stepMs; ms < (step + 1) * stepMs; ms++) sent += perMs[ms] as number;
      return base + (sent * 1000) / stepMs;
    });
    const upper = above.map((rate, step): [number, number] => [(step + 0.5) * stepMs, rate]);
    const lower = below.map((rate, step): [number, number] => [(step + 0.5) * stepMs, rate]).toReversed();
    below = above;
    return { points: [...upper, ...lower] };
  });
}

/** Slots that running workers hold, of all carriers together. */
function slots({ plan, slotsHeld, sampleMs }: Drawn, x: (ms: number) => string): string[] {
  const binds = bindsOf(plan);
  const y = (held: number) => (slotsTop + slotsHeight * (1 - held / (binds * 1.05))).toFixed(1);
  const points = slotsHeld.map((held, at) => `${x(at * sampleMs)},${y(held.reduce((sum, one) => sum + one, 0))}`);
  return [
    `<polyline points="${points.join(' ')}" fill="none" stroke="#1f4e79" stroke-width="1.5"/>`,
    `<line x1="${left}" x2="${width - right}" y1="${y(0)}" y2="${y(0)}" stroke="#999"/>`,
    text(left - 6, y(binds), 'end', String(binds)),
    text(4, String(slotsTop - 10), 'start', 'slots held by workers that run'),
  ];
}

function marks({ timeline, killed, frozen }: Plan, x: (ms: number) => string): string[] {
  const events: [number, string][] = [
    [timeline.joinFromMs, 'join'],
    [timeline.killAtMs, `${killed} killed`],
    [timeline.freezeAtMs, `${frozen} frozen`],
    [timeline.thawAtMs, 'they go on'],
    [timeline.alertAtMs, 'alert'],
    [timeline.rollFromMs, 'rolling restart'],
  ];
  const bottom = slotsTop + slotsHeight;
  return events.flatMap(([ms, what], index) => [
    `<line x1="${x(ms)}" x2="${x(ms)}" y1="${top - 6}" y2="${bottom}" stroke="#b00" stroke-opacity="0.6"/>`,
    `<text x="${x(ms)}" y="${top - 22 + (index % 2) * 13}" text-anchor="middle" fill="#b00">${what}</text>`,
  ]);
}

function legend({ contracts }: Plan): string[] {
  return contracts.flatMap(({ name, binds }, index) => {
    const at = left + index * 98;
    return [
      `<rect x="${at}" y="10" width="10" height="10" fill="${colours[index % 8]}"/>`,
      text(at + 14, '19', 'start', `${name} ×${binds}`),
    ];
  });
}
