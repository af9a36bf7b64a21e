/**
 * What `kubectl kustomize` makes of an overlay, as values: the resources, and the workloads among them with their pods.
 * Rendered from a copy of k8s/, in which the demonstration's secrets are made as its README says.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { Deployment } from 'kubernetes-types/apps/v1.d.ts';
import type { Container, PodSpec } from 'kubernetes-types/core/v1.d.ts';
import { parseAllDocuments } from 'yaml';
import { kubectl } from './kubectl.ts';

/** Where k8s/ is. */
export const k8sFolder = join(import.meta.dirname, '..', '..', 'k8s');

/** Any resource, as far as every rule knows it. */
export type Resource = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Labels;
    readonly annotations?: Labels;
  };
};

/** Labels, or a selector by labels. */
export type Labels = Readonly<Record<string, string>>;

/** What has pods. `role` is the process of Tocsin that runs in them, where it is one. */
export type Workload = {
  readonly name: string;
  readonly kind: string;
  readonly role: string | undefined;
  readonly labels: Labels;
  readonly spec: Deployment['spec'] & object;
  readonly pod: PodSpec;
  readonly containers: readonly Container[];
};

/** A copy of k8s/ in `folder` that can be rendered. */
export function prepareCopy(folder: string): string {
  const copy = join(folder, 'k8s');
  cpSync(k8sFolder, copy, { recursive: true, filter: (path) => !path.endsWith(join('demo', 'secrets')) });
  execFileSync('sh', [join(copy, 'overlays', 'demo', 'secrets.sh')]);
  return copy;
}

/** The resources of an overlay in a copy of k8s/. */
export function render(copy: string, overlay: string): Resource[] {
  const args = ['kustomize', join(copy, 'overlays', overlay)];
  const { stdout, stderr, error } = spawnSync(kubectl(), args, { encoding: 'utf8' });
  // Warnings of what is deprecated are as good as errors.
  if (error !== undefined || stderr !== '') throw error ?? new Error(`kubectl kustomize: ${stderr}`);
  return parseAllDocuments(stdout).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS() as Resource;
  });
}

/** Resources of a kind; the caller names its type. */
export function ofKind<Kind>(resources: readonly Resource[], kind: string): (Resource & Kind)[] {
  return resources.filter((resource) => resource.kind === kind) as (Resource & Kind)[];
}

/** Everything that has pods. */
export function workloads(resources: readonly Resource[]): Workload[] {
  return ['Deployment', 'StatefulSet', 'Job'].flatMap((kind) =>
    ofKind<Deployment>(resources, kind).map(({ metadata, spec }) => {
      if (spec === undefined) throw new Error(`${kind}/${metadata.name} has no spec`);
      const labels = (spec.template.metadata?.labels ?? {}) as Labels;
      const pod = spec.template.spec;
      if (pod === undefined) throw new Error(`${kind}/${metadata.name} has no pod`);
      const isOurs = labels['app.kubernetes.io/name'] === 'tocsin';
      const role = isOurs ? labels['app.kubernetes.io/component'] : undefined;
      return { name: metadata.name, kind, role, labels, spec, pod, containers: pod.containers };
    }),
  );
}

/** Whether labels are selected; a selector of nothing selects everything. */
export function selects(selector: Selector | undefined, labels: Labels): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  const isEqual = Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
  return isEqual && matchExpressions.every((expression) => holds(expression, labels));
}

/** A label selector. */
export type Selector = {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly Expression[];
};

type Expression = { readonly key: string; readonly operator: string; readonly values?: readonly string[] };

function holds({ key, operator, values = [] }: Expression, labels: Labels): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      throw new Error(`${operator} is no operator of a label selector`);
  }
}
