/**
 * Prometheus text exposition (format 0.0.4), read strictly: every line must be one that the format knows, every sample
 * must belong to a family that was announced before it, no sample may come twice, and histograms must add up.
 */
import assert from 'node:assert';

/** One value. `name` has a histogram's suffix, where it has one. */
export type Scraped = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};

/** A family of metrics. */
export type Family = {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Scraped[];
};

const helpLine = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/;
const typeLine = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/;
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9.e+-]+|\+Inf|-Inf|NaN|Nan)$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Families of an exposition by name. Throws at the first line that is not one. */
export function readExposition(text: string): Map<string, Family> {
  assert(text.endsWith('\n'), 'the last line ends');
  const families = new Map<string, Family & { samples: Scraped[] }>();
  const seen = new Set<string>();
  let help: RegExpExecArray | null = null;
  let family: (Family & { samples: Scraped[] }) | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const helped = helpLine.exec(line);
    if (helped !== null) {
      help = helped;
      continue;
    }
    const typed = typeLine.exec(line);
    if (typed !== null) {
      const [, name = '', type = ''] = typed;
      assert(help?.[1] === name && !families.has(name), `one HELP and TYPE for ${name}`);
      family = { name, help: help[2] ?? '', type, samples: [] };
      families.set(name, family);
      continue;
    }
    const sampled = sampleLine.exec(line);
    assert(sampled !== null, `a line of the format: ${line}`);
    const [, name = '', labels = '', value = ''] = sampled;
    const suffixes =
      family?.type === 'histogram' || family?.type === 'summary' ? ['', '_bucket', '_sum', '_count'] : [''];
    assert(family !== undefined && suffixes.some((suffix) => family?.name + suffix === name), `${name} is announced`);
    const key = line.slice(0, line.lastIndexOf(' '));
    assert(!seen.has(key), `${key} comes once`);
    seen.add(key);
    family.samples.push({ name, labels: labelsOf(labels), value: numberOf(value) });
  }
  for (const histogram of families.values()) if (histogram.type === 'histogram') checkHistogram(histogram);
  return families;
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  labelPair.lastIndex = 0;
  while (labelPair.lastIndex < text.length) {
    const at = labelPair.lastIndex;
    const pair = labelPair.exec(text);
    assert(pair !== null, `labels: ${text.slice(at)}`);
    const [, name = '', value = ''] = pair;
    assert(!(name in labels), `label ${name} comes once`);
    labels[name] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}

function numberOf(text: string): number {
  if (text.endsWith('Inf')) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const value = Number(text);
  // Prometheus reads numbers as Go does, which knows both.
  assert(/^Na[Nn]$/.test(text) || !Number.isNaN(value), `a number: ${text}`);
  return value;
}

/** Buckets never fall, the last is +Inf and is the count. */
function checkHistogram({ name, samples }: Family): void {
  const series = new Map<string, { last: number; le: number; count: number }>();
  for (const { name: of, labels, value } of samples) {
    const { le, ...others } = labels;
    const key = JSON.stringify(Object.entries(others).toSorted(([a], [b]) => a.localeCompare(b)));
    const one = series.get(key) ?? { last: 0, le: Number.NEGATIVE_INFINITY, count: Number.NaN };
    series.set(key, one);
    if (of === `${name}_count`) one.count = value;
    if (of !== `${name}_bucket`) continue;
    const bound = numberOf(le ?? '');
    assert(bound > one.le && value >= one.last, `buckets of ${name} rise`);
    Object.assign(one, { last: value, le: bound });
  }
  for (const { last, le, count } of series.values())
    assert(le === Number.POSITIVE_INFINITY && last === count, `${name} adds up`);
}
