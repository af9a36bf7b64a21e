/** Rules about what resources say of one another: selectors, targets, accounts, ConfigMaps and Secrets. */
import type { StatefulSet } from 'kubernetes-types/apps/v1.d.ts';
import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2.d.ts';
import type { ConfigMap, Container, Namespace, Service, Volume } from 'kubernetes-types/core/v1.d.ts';
import type { Ingress } from 'kubernetes-types/networking/v1.d.ts';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.d.ts';
import type { ScaledObject } from './custom-resources.ts';
import type { Facts } from './facts.ts';
import { type Labels, ofKind, type Resource, selects, type Workload } from './resources.ts';

/** Kinds that belong to no namespace. */
const clusterKinds = ['Namespace', 'PriorityClass'];

/** Every reference that leads nowhere. */
export function referenceProblems(facts: Facts): string[] {
  return [
    ...facts.workloads.flatMap((workload) => [...ownLabels(workload), ...named(workload, facts)]),
    ...ofKind<Service>(facts.resources, 'Service').flatMap((service) => serviceProblems(service, facts)),
    ...budgets(facts),
    ...scaling(facts),
    ...ofKind<Ingress>(facts.resources, 'Ingress').flatMap((ingress) => ingressProblems(ingress, facts)),
    ...namespaces(facts),
  ];
}

function ownLabels({ kind, name, spec, labels }: Workload): string[] {
  if (kind === 'Job') return [];
  const { selector } = spec;
  const isEmpty = Object.keys(selector?.matchLabels ?? {}).length === 0;
  return isEmpty || !selects(selector, labels) ? [`${kind}/${name}: it does not select its own pods`] : [];
}

/** Accounts, priorities, ConfigMaps, Secrets and volumes that a pod names. */
function named(workload: Workload, facts: Facts): string[] {
  const { kind, name, pod, containers } = workload;
  const missing: string[] = [];
  const need = (what: string, exists: boolean) => exists || missing.push(`${kind}/${name}: there is no ${what}`);
  const has = (of: string, called: string) =>
    facts.resources.some((resource) => resource.kind === of && resource.metadata.name === called);
  const { serviceAccountName: account, priorityClassName: priority } = pod;
  if (account !== undefined) need(`ServiceAccount ${account}`, has('ServiceAccount', account));
  if (workload.role !== undefined) need('ServiceAccount of its own', account !== undefined);
  if (priority !== undefined) need(`PriorityClass ${priority}`, has('PriorityClass', priority));
  if (kind === 'StatefulSet') {
    const service = (workload.spec as StatefulSet['spec'] & object).serviceName ?? '';
    need(`Service ${service}`, has('Service', service));
  }
  for (const { of, called, key } of [...containers.flatMap(entries), ...(pod.volumes ?? []).flatMap(sources)])
    need(`${of} ${called}${key === undefined ? '' : ` with ${key}`}`, isThere(facts, of, called, key));
  const volumes = [...(pod.volumes ?? []).map((volume) => volume.name), ...claims(workload)];
  for (const { volumeMounts = [] } of containers)
    for (const mount of volumeMounts) need(`volume ${mount.name}`, volumes.includes(mount.name));
  return missing;
}

function claims({ spec }: Workload): string[] {
  const { volumeClaimTemplates = [] } = spec as StatefulSet['spec'] & object;
  return volumeClaimTemplates.map(({ metadata }) => metadata?.name ?? '');
}

type Entry = { readonly of: 'ConfigMap' | 'Secret'; readonly called: string; readonly key?: string | undefined };

function entries({ env = [], envFrom = [] }: Container): Entry[] {
  const single = env.flatMap(({ valueFrom }): Entry[] => {
    const { secretKeyRef: secret, configMapKeyRef: map } = valueFrom ?? {};
    if (secret !== undefined) return [{ of: 'Secret', called: secret.name ?? '', key: secret.key }];
    return map === undefined ? [] : [{ of: 'ConfigMap', called: map.name ?? '', key: map.key }];
  });
  const whole = envFrom.map(({ secretRef, configMapRef }): Entry => {
    if (secretRef !== undefined) return { of: 'Secret', called: secretRef.name ?? '' };
    return { of: 'ConfigMap', called: configMapRef?.name ?? '' };
  });
  return [...single, ...whole];
}

function sources({ secret, configMap }: Volume): Entry[] {
  if (secret !== undefined) return [{ of: 'Secret', called: secret.secretName ?? '' }];
  return configMap === undefined ? [] : [{ of: 'ConfigMap', called: configMap.name ?? '' }];
}

/** Secrets that a workload is told, by name. */
export function secretsOf({ pod, containers }: Workload): string[] {
  return [...containers.flatMap(entries), ...(pod.volumes ?? []).flatMap(sources)]
    .filter(({ of }) => of === 'Secret')
    .map(({ called }) => called);
}

function isThere({ resources, provided }: Facts, of: Entry['of'], called: string, key: string | undefined): boolean {
  const found = ofKind<ConfigMap>(resources, of).find(({ metadata }) => metadata.name === called);
  if (found !== undefined) return key === undefined || found.data?.[key] !== undefined;
  return [...provided].some((one) =>
    key === undefined ? one.startsWith(`${of}/${called}/`) : one === `${of}/${called}/${key}`,
  );
}

function selected(facts: Facts, labels: Labels | undefined): Workload[] {
  if (labels === undefined || Object.keys(labels).length === 0) return [];
  return facts.workloads.filter((workload) => selects({ matchLabels: labels }, workload.labels));
}

function serviceProblems({ metadata, spec }: Resource & Service, facts: Facts): string[] {
  const pods = selected(facts, spec?.selector);
  if (pods.length === 0) return [`Service/${metadata.name}: it selects nothing`];
  const names = pods.flatMap(({ containers }) =>
    containers.flatMap((one) => (one.ports ?? []).map(({ name }) => name)),
  );
  return (spec?.ports ?? [])
    .filter(({ targetPort }) => !names.includes(String(targetPort)))
    .map(({ targetPort }) => `Service/${metadata.name}: no pod has the port ${String(targetPort)}`);
}

function budgets({ resources, workloads }: Facts): string[] {
  const all = ofKind<PodDisruptionBudget>(resources, 'PodDisruptionBudget');
  const idle = all.filter(({ spec }) => !workloads.some(({ labels }) => selects(spec?.selector, labels)));
  const kept = (labels: Labels) => all.some(({ spec }) => selects(spec?.selector, labels));
  const stuck = all.filter(({ spec }) => spec?.maxUnavailable === 0 || spec?.maxUnavailable === undefined);
  return [
    ...idle.map(({ metadata }) => `PodDisruptionBudget/${metadata.name}: it selects nothing`),
    ...stuck.map(({ metadata }) => `PodDisruptionBudget/${metadata.name}: no node can ever be drained`),
    ...workloads
      .filter(({ kind, role, labels }) => kind === 'Deployment' && role !== undefined && !kept(labels))
      .map(({ name }) => `Deployment/${name}: no PodDisruptionBudget keeps it`),
  ];
}

/** What scales a workload, whichever kind of autoscaler it is. */
export function scalers(resources: readonly Resource[]): { of: string; target: string; min: number; max: number }[] {
  const usual = ofKind<HorizontalPodAutoscaler>(resources, 'HorizontalPodAutoscaler').map(({ metadata, spec }) => ({
    of: `HorizontalPodAutoscaler/${metadata.name}`,
    target: `${spec?.scaleTargetRef.kind}/${spec?.scaleTargetRef.name}`,
    min: spec?.minReplicas ?? 1,
    max: spec?.maxReplicas ?? 0,
  }));
  const keda = ofKind<ScaledObject>(resources, 'ScaledObject').map(({ metadata, spec }) => ({
    of: `ScaledObject/${metadata.name}`,
    target: `${spec.scaleTargetRef.kind ?? 'Deployment'}/${spec.scaleTargetRef.name}`,
    min: spec.minReplicaCount,
    max: spec.maxReplicaCount,
  }));
  return [...usual, ...keda];
}

function scaling({ resources, workloads }: Facts): string[] {
  return scalers(resources).flatMap(({ of, target, min, max }) => {
    const workload = workloads.find(({ kind, name }) => `${kind}/${name}` === target);
    if (workload === undefined) return [`${of}: there is no ${target}`];
    const isSet = workload.spec.replicas !== undefined;
    return [
      ...(min < 1 || min > max ? [`${of}: from ${min} to ${max} is no range`] : []),
      ...(isSet ? [`${target}: its replicas are set, and ${of} sets them too`] : []),
    ];
  });
}

function ingressProblems({ metadata, spec }: Resource & Ingress, facts: Facts): string[] {
  const backends = (spec?.rules ?? []).flatMap(({ http }) => (http?.paths ?? []).map(({ backend }) => backend.service));
  const services = ofKind<Service>(facts.resources, 'Service');
  const broken = backends.filter((backend) => {
    const service = services.find((one) => one.metadata.name === backend?.name);
    return service?.spec?.ports?.some(({ name }) => name === backend?.port?.name) !== true;
  });
  const secrets = (spec?.tls ?? []).map(({ secretName = '' }) => secretName);
  return [
    ...broken.map((backend) => `Ingress/${metadata.name}: there is no Service ${backend?.name} with that port`),
    ...(secrets.length === 0 ? [`Ingress/${metadata.name}: it serves without TLS`] : []),
    ...secrets
      .filter((secret) => !isThere(facts, 'Secret', secret, undefined))
      .map((secret) => `Ingress/${metadata.name}: there is no Secret ${secret}`),
  ];
}

function namespaces({ resources }: Facts): string[] {
  const [namespace] = ofKind<Namespace>(resources, 'Namespace');
  const { name = '', labels = {} } = namespace?.metadata ?? {};
  const isHeld = labels['pod-security.kubernetes.io/enforce'] === 'restricted';
  return [
    ...(isHeld ? [] : [`Namespace/${name}: it does not enforce the restricted standard`]),
    ...resources
      .filter(({ kind, metadata }) => !clusterKinds.includes(kind) && metadata.namespace !== name)
      .map(({ kind, metadata }) => `${kind}/${metadata.name}: it is not in the namespace ${name}`),
  ];
}
