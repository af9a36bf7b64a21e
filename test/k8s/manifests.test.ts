/**
 * The manifests of k8s/, rendered by a real `kubectl kustomize` and checked against the types of the Kubernetes API and
 * our own rules. No cluster is asked. That each rule finds what it is for is proven in broken-manifests.test.ts.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { factsOf } from './facts.ts';
import { networkProblems } from './network-rules.ts';
import { podProblems } from './pod-rules.ts';
import { referenceProblems } from './reference-rules.ts';
import { prepareCopy, type Resource, render } from './resources.ts';
import { settingProblems } from './setting-rules.ts';
import { typeProblems } from './typed.ts';

const overlays = ['demo', 'national'] as const;
const folder = temporaryFolder();
const rendered = new Map<string, Resource[]>();

beforeAll(() => {
  const copy = prepareCopy(folder);
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
