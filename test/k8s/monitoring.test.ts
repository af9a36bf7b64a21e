/**
 * Alert rules and dashboard ask only for what processes really have: every expression is parsed as PromQL, and its
 * metrics and labels are held against the registries. Each alert has its section in README's runbook.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { documentedMetrics } from '../../cluster/metrics-table.ts';
import { createMetrics } from '../../src/telemetry.ts';
import { readExposition } from '../support/exposition.ts';
import type { PrometheusRule, ScaledObject } from './custom-resources.ts';
import { k8sFolder } from './resources.ts';

const folder = join(k8sFolder, 'components', 'monitoring');
const rules = parse(readFileSync(join(folder, 'rules.yaml'), 'utf8')) as PrometheusRule;
const alerts = rules.spec.groups
  .flatMap((group) => group.rules)
  .map((rule) => {
    if (!('alert' in rule)) throw new Error('every rule is an alert');
    return rule;
  });

type Panel = {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
};
type Dashboard = {
  readonly schemaVersion: number;
  readonly uid: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly panels: readonly Panel[];
};

const dashboard = JSON.parse(readFileSync(join(folder, 'dashboard.json'), 'utf8')) as Dashboard;
const shown = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })),
);

/** Labels that Prometheus adds to what it scrapes. */
const scraped = ['role', 'job', 'instance', 'pod', 'namespace'];
/** Labels of every series by its name, as it is asked for. */
const series = new Map<string, readonly string[]>([['up', scraped]]);
for (const { name, type, labels } of documentedMetrics())
  for (const suffix of type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''])
    series.set(name + suffix, [...labels, ...scraped, ...(suffix === '_bucket' ? ['le'] : [])]);
for (const [name, { samples }] of readExposition(await createMetrics('worker').text()))
  series.set(name, [...Object.keys(samples[0]?.labels ?? {}), ...scraped]);

/** What is wrong with an expression: its syntax, metrics that nobody has, labels that they do not have. */
function problemsOf(expression: string): string[] {
  // What Grafana puts in before it asks.
  const text = expression.replaceAll('$__rate_interval', '5m').replaceAll('$carrier', '.*');
  const problems: string[] = [];
  const asked = new Set<string>();
  const labels = new Set<string>();
  let selector: { readonly name: string; readonly end: number } | undefined;
  parser.parse(text).iterate({
    enter({ name, from, to, type }) {
      const word = text.slice(from, to);
      if (type.isError) problems.push(`syntax at ${from}: ${text.slice(from, from + 20)}`);
      if (name === 'VectorSelector') {
        selector = { name: /^[a-zA-Z_:][\w:]*/.exec(word)?.[0] ?? '', end: to };
        asked.add(selector.name);
        if (!series.has(selector.name)) problems.push(`no metric ${selector.name}`);
      }
      if (name !== 'LabelName') return;
      labels.add(word);
      const isMatcher = selector !== undefined && from < selector.end;
      if (isMatcher && !series.get(selector?.name ?? '')?.includes(word))
        problems.push(`no ${selector?.name}{${word}}`);
    },
  });
  if (asked.size === 0) problems.push('it asks for nothing');
  const known = [...asked].flatMap((name) => series.get(name) ?? []);
  for (const label of labels) if (!known.includes(label)) problems.push(`no label ${label}`);
  return problems;
}

test('rules - expressions are PromQL, and ask only for metrics and labels that processes have', () => {
  const problems = alerts.flatMap(({ alert, expr }) => problemsOf(expr).map((problem) => `${alert}: ${problem}`));
  expect(problems).toEqual([]);
  expect(alerts.length).toBeGreaterThan(20);
});

test('scaling - the same of what workers and recorders are scaled by', () => {
  const keda = join(k8sFolder, 'components', 'keda');
  const asked = ['worker', 'recorder'].flatMap((role) => {
    const { spec } = parse(readFileSync(join(keda, `${role}.yaml`), 'utf8')) as ScaledObject;
    return spec.triggers.flatMap(({ metadata }) => ('query' in metadata ? metadata.query : []));
  });
  expect(asked).toHaveLength(4);
  expect(asked.flatMap(problemsOf)).toEqual([]);
});

test('dashboard - the same, and a legend names labels that the query keeps', () => {
  const problems = shown.flatMap(({ title, expr, legendFormat }) => {
    const lost = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)]
      .map(([, label = '']) => label)
      .filter((label) => !new RegExp(`by \\([^)]*\\b${label}\\b`).test(expr));
    return [...problemsOf(expr), ...lost.map((label) => `${label} is summed away`)].map((p) => `${title}: ${p}`);
  });
  expect(problems).toEqual([]);
  for (const { definition } of dashboard.templating.list) {
    const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(definition ?? '') ?? [];
    if (definition !== undefined) expect(series.get(metric)).toContain(label);
  }
});

test.each([
  ['no metric tocsin_nothing', 'tocsin_nothing > 1'],
  ['no tocsin_binds_bound{lane}', 'sum(tocsin_binds_bound{lane="alert"})'],
  ['no label campaign', 'sum by (campaign) (tocsin_binds_bound)'],
  ['no metric tocsin_response_seconds', 'rate(tocsin_response_seconds[5m])'],
  ['syntax', 'sum by (carrier (tocsin_binds_bound)'],
  ['it asks for nothing', 'vector(1)'],
])('expressions - what is wrong is found: %s', (problem, expression) => {
  expect(problemsOf(expression).join('\n')).toContain(problem);
});

test('dashboard - panels have a place of their own, a source, units of a query, and words', () => {
  const { panels } = dashboard;
  expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
    expect(x + w).toBeLessThanOrEqual(24);
    return Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`);
  });
  expect(new Set(cells).size).toBe(cells.length);
  for (const { type, title, description, datasource, targets } of panels) {
    expect(['row', 'stat', 'timeseries']).toContain(type);
    if (type === 'row') {
      expect(title).toMatch(/\?$/);
      continue;
    }
    expect(description).toMatch(/\.$/);
    expect(datasource?.uid).toBe('${datasource}');
    expect(new Set(targets?.map(({ refId }) => refId)).size).toBe(targets?.length);
  }
});

test('runbook - each alert has its section, to which it points, and each section its alert', () => {
  const readme = readFileSync(join(k8sFolder, '..', 'README.md'), 'utf8');
  const sections = [...readme.matchAll(/^#### (Tocsin\w+)\n([^#]*)/gm)];
  expect(new Set(sections.map(([, name]) => name))).toEqual(new Set(alerts.map(({ alert }) => alert)));
  expect(sections).toHaveLength(alerts.length);
  for (const [, name = '', text = ''] of sections) {
    expect(text.length, name).toBeGreaterThan(80);
    for (const [, metric = ''] of text.matchAll(/`(tocsin_\w+)`/g))
      expect(
        [...series.keys()].some((known) => known.startsWith(metric)),
        metric,
      ).toBe(true);
  }
  for (const { alert, labels, annotations } of alerts) {
    expect(['critical', 'warning']).toContain(labels?.['severity']);
    expect(annotations?.['runbook_url']).toBe(`RUNBOOK#${alert.toLowerCase()}`);
    expect(annotations?.['summary']).toMatch(/\S/);
  }
});
