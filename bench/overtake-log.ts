/**
 * What the simulators' logs say of alerts that overtook: when they came, and what else came meanwhile. Campaigns are
 * known by the number at the end of their text. Used by the bench `overtake`.
 */
import { readLog } from '../src/smsc/log-reader.ts';
import { type BenchContext, quantileOf, rounded } from './harness.ts';

/** A campaign and when its launch was asked for, epoch milliseconds. */
export type Launched = { readonly number: number; readonly atMs: number };

/** Everything that one carrier got, in order. */
export type Arrivals = {
  /** Epoch milliseconds. */
  readonly atMs: readonly number[];
  /** Numbers of the campaigns. */
  readonly numbers: readonly number[];
  /** Recipients by campaign. */
  readonly recipients: ReadonlyMap<number, ReadonlySet<string>>;
};

/** Reads a simulator's log. */
export async function readArrivals(log: string): Promise<Arrivals> {
  const atMs: number[] = [];
  const numbers: number[] = [];
  const recipients = new Map<number, Set<string>>();
  for await (const { text, destination, atMicros } of readLog(log)) {
    const number = Number(text.slice(text.lastIndexOf(' ') + 1));
    atMs.push(atMicros / 1000);
    numbers.push(number);
    const reached = recipients.get(number);
    if (reached === undefined) recipients.set(number, new Set([destination]));
    else reached.add(destination);
  }
  return { atMs, numbers, recipients };
}

/** Figures of the alerts; fails unless each of them reached everybody once. */
export function judgeAlerts(
  arrivals: readonly Arrivals[],
  alerts: readonly Launched[],
  { recipients, rate }: { readonly recipients: number; readonly rate: number },
  check: BenchContext<unknown>['check'],
) {
  const spans = alerts.map(({ number }) => arrivals.map((carrier) => spanOf(carrier, number)));
  const wanted = alerts.map(() => recipients);
  check('submit_sm by alert', spans.map(sumOf('own')), wanted);
  const reached = ({ number }: Launched) => sum(arrivals.map((carrier) => carrier.recipients.get(number)?.size ?? 0));
  check('recipients by alert', alerts.map(reached), wanted);
  const msOf = (pick: (carriers: readonly Span[]) => number) =>
    alerts.map(({ atMs }, index) => pick(spans[index] ?? []) - atMs);
  const first = msOf((carriers) => Math.min(...carriers.map(({ firstMs }) => firstMs)));
  const last = msOf((carriers) => Math.max(...carriers.map(({ lastMs }) => lastMs)));
  const at = (values: readonly number[], share: number) => rounded(quantileOf(values, share));
  const own = sum(spans.map(sumOf('own')));
  const allowed = sum(spans.flat().map(({ firstMs, lastMs }) => ((lastMs - firstMs) * rate) / 1000));
  return {
    firstSubmitMs: { p50: at(first, 0.5), p99: at(first, 0.99) },
    alertSeconds: rounded(at(last, 0.5) / 1000),
    alertShare: rounded(own / sum(spans.map(sumOf('all')))),
    held: rounded(own / allowed),
    alertShareLeast: rounded(Math.min(...spans.map((span) => sumOf('own')(span) / sumOf('all')(span)))),
  };
}

/** Milliseconds from `askedMs` to the last arrival of a campaign before `untilMs`; 0 when none came. */
export function stoppedMs(arrivals: readonly Arrivals[], number: number, askedMs: number, untilMs: number): number {
  let last = askedMs;
  for (const { atMs, numbers } of arrivals)
    numbers.forEach((one, index) => {
      const at = atMs[index] as number;
      if (one === number && at < untilMs) last = Math.max(last, at);
    });
  return rounded(last - askedMs);
}

/** What one carrier got from an alert's first to its last: of the alert, and of everything. */
type Span = { readonly firstMs: number; readonly lastMs: number; readonly own: number; readonly all: number };

function spanOf({ atMs, numbers }: Arrivals, number: number): Span {
  const from = numbers.indexOf(number);
  const to = numbers.lastIndexOf(number);
  const own = numbers.reduce((count, one) => (one === number ? count + 1 : count), 0);
  return { firstMs: atMs[from] ?? Number.NaN, lastMs: atMs[to] ?? Number.NaN, own, all: to - from + 1 };
}

function sumOf(what: 'own' | 'all'): (spans: readonly Span[]) => number {
  return (spans) => sum(spans.map((span) => span[what]));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
