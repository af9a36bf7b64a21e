/**
 * The manifests of k8s/, rendered by a real `kubectl kustomize` and checked against the types of the Kubernetes API and
 * our own rules. No cluster is asked. That each rule finds what it is for is proven in broken-manifests.test.ts.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadSettings } from '../../config/load.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import type { PrometheusRule } from './custom-resources.ts';
import { environmentOf, factsOf } from './facts.ts';
import { networkProblems } from './network-rules.ts';
import { podProblems } from './pod-rules.ts';
import { referenceProblems } from './reference-rules.ts';
import { k8sFolder, ofKind, prepareCopy, type Resource, render } from './resources.ts';
import { settingProblems } from './setting-rules.ts';
import { typeProblems } from './typed.ts';

const overlays = ['demo', 'national'] as const;
const folder = temporaryFolder();
const rendered = new Map<string, Resource[]>();
let copy: string;

beforeAll(() => {
  copy = prepareCopy(folder);
  for (const overlay of overlays) rendered.set(overlay, render(copy, overlay));
});
afterAll(() => removeFolder(folder));

test('types - every resource is as the API wants it', () => {
  expect(typeProblems([...rendered.values()].flat())).toEqual([]);
});

test.each(overlays)('%s - pods, references, network and settings are as the rules say', (overlay) => {
  const facts = factsOf(rendered.get(overlay) ?? []);
  expect(podProblems(facts)).toEqual([]);
  expect(referenceProblems(facts)).toEqual([]);
  expect(networkProblems(facts)).toEqual([]);
  expect(settingProblems(facts)).toEqual([]);
});

test.each(overlays)('%s - has every process, and nothing beside them keeps a secret in clear', (overlay) => {
  const facts = factsOf(rendered.get(overlay) ?? []);
  const roles = facts.workloads.flatMap(({ role }) => role ?? []).toSorted();
  expect(roles).toEqual(['api', 'migrate', 'planner', 'recorder', 'worker']);
  const secrets = facts.resources.filter(({ kind }) => kind === 'Secret').map(({ metadata }) => metadata.name);
  expect(secrets).toHaveLength(overlay === 'demo' ? 4 : 0);
});

test('demo - images of others may be pinned by digest in the overlay', () => {
  const path = join(copy, 'overlays', 'demo', 'kustomization.yaml');
  const before = readFileSync(path, 'utf8');
  const digest = `sha256:${'0a'.repeat(32)}`;
  writeFileSync(path, before.replace('images:\n', `images:\n  - name: postgres\n    digest: ${digest}\n`));
  const resources = render(copy, 'demo');
  writeFileSync(path, before);
  expect(JSON.stringify(resources)).toContain(`"image":"postgres@${digest}"`);
  expect(podProblems(factsOf(resources))).toEqual([]);
});

test('national - the address of the runbook is said in one place, and is in each alert and in nothing else', () => {
  const path = join(copy, 'overlays', 'national', 'monitoring.yaml');
  const before = readFileSync(path, 'utf8');
  writeFileSync(path, before.replace('https://tocsin.example/README.md', 'https://wiki.example/tocsin'));
  const resources = render(copy, 'national');
  writeFileSync(path, before);
  const [rules] = ofKind<PrometheusRule>(resources, 'PrometheusRule');
  const alerts = rules?.spec.groups.flatMap((group) => group.rules) ?? [];
  expect(alerts.length).toBeGreaterThan(20);
  for (const rule of alerts) {
    const name = 'alert' in rule ? rule.alert.toLowerCase() : '';
    expect(rule.annotations?.['runbook_url']).toBe(`https://wiki.example/tocsin#${name}`);
  }
  expect(JSON.stringify(resources)).not.toMatch(/RUNBOOK|tocsin\.example\/README/);
  expect(ofKind(resources, 'ConfigMap').map(({ metadata }) => metadata.name)).not.toContain('monitoring');
});

/** URLs of a scheme as README says that they are to be provided, with the words that stand for something filled in. */
function forms(scheme: 'postgres' | 'rediss'): string[] {
  const readme = readFileSync(join(k8sFolder, 'README.md'), 'utf8');
  const found = readme.matchAll(new RegExp(`\`(${scheme}(?:\\+\\w+)?:[^\`]+)\``, 'g'));
  return [...found].map(([, url = '']) => url.replaceAll(/[A-Z]+/g, (word) => word.toLowerCase()));
}

test.each(overlays)('%s - every process accepts the environment that it is given', (overlay) => {
  const facts = factsOf(rendered.get(overlay) ?? []);
  expect(forms('rediss')).toHaveLength(3);
  for (const redis of forms('rediss')) {
    const provide = (secret: string, key: string) => {
      if (!key.endsWith('-url')) return 'a-platform-key-of-24-characters';
      return secret === 'redis' ? redis : forms('postgres')[0];
    };
    for (const workload of facts.workloads.filter(({ role }) => role !== undefined)) {
      const environment = environmentOf(facts, workload, provide);
      expect(Object.values(environment), workload.name).not.toContain('');
      expect(loadSettings(environment).databaseUrl, workload.name).toBe(environment['DATABASE_URL']);
    }
  }
});
