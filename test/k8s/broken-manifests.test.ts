/**
 * Proof that the checks of the manifests find what they are for: what is rendered is broken in one place, and the check
 * must say so. A rule that finds nothing here guards nothing.
 */
import { afterAll, expect, test } from 'vitest';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { factsOf } from './facts.ts';
import { networkProblems } from './network-rules.ts';
import { podProblems } from './pod-rules.ts';
import { referenceProblems } from './reference-rules.ts';
import { prepareCopy, type Resource, render } from './resources.ts';
import { settingProblems } from './setting-rules.ts';
import { typeProblems } from './typed.ts';

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));
const copy = prepareCopy(folder);
const whole = { demo: render(copy, 'demo'), national: render(copy, 'national') };

/** A value somewhere in a resource, by its path. */
type Place = readonly [resource: string, ...path: (string | number)[]];
type Breakage = readonly [what: string, overlay: keyof typeof whole, place: Place, value: unknown, found: string];

type Branch = Record<string | number, unknown>;

/** The part of a pod's template that most breakages are in. */
const pod = ['spec', 'template', 'spec'] as const;
const container = [...pod, 'containers', 0] as const;

/** What is rendered, with `value` at `place`; undefined takes away what is there. */
function broken(overlay: keyof typeof whole, [name, ...path]: Place, value: unknown): Resource[] {
  const resources = structuredClone(whole[overlay]);
  const [kind, called] = name.split('/');
  const target = resources.find((one) => one.kind === kind && one.metadata.name.replace(/-\w{10}$/, '') === called);
  if (target === undefined) throw new Error(`there is no ${name} to break`);
  const last = path.pop() as string;
  const inner = (at: Branch, key: string | number) => at[key] as Branch;
  const parent = path.reduce(inner, target as unknown as Branch);
  if (value !== undefined) parent[last] = value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return resources;
}

const breakages: readonly Breakage[] = [
  // Pods.
  ['root', 'demo', ['Deployment/api', ...pod, 'securityContext', 'runAsNonRoot'], false, 'runAsNonRoot'],
  ['no user', 'demo', ['StatefulSet/postgres', ...pod, 'securityContext', 'runAsUser'], 0, 'runAsUser'],
  ['no seccomp', 'demo', ['Deployment/smsc', ...pod, 'securityContext', 'seccompProfile'], undefined, 'seccomp'],
  ['a token', 'demo', ['Job/migrate', ...pod, 'automountServiceAccountToken'], undefined, 'token'],
  ['a writable root', 'national', ['Job/migrate', ...container, 'securityContext'], {}, 'readOnlyRootFilesystem'],
  ['latest', 'demo', ['StatefulSet/valkey', ...container, 'image'], 'valkey/valkey:latest', 'not pinned'],
  ['an untagged image', 'national', ['Deployment/api', ...container, 'image'], 'registry:5000/tocsin', 'not pinned'],
  ['another version', 'national', ['Deployment/api', ...container, 'image'], 'tocsin:9.9.9', 'has version 9.9.9'],
  [
    'no request',
    'demo',
    ['Deployment/worker', ...container, 'resources', 'requests', 'memory'],
    undefined,
    'request of',
  ],
  ['no limit', 'demo', ['Deployment/smsc', ...pod, 'containers', 1, 'resources', 'limits'], {}, 'no limit'],
  ['a CPU limit', 'demo', ['Deployment/worker', ...container, 'resources', 'limits', 'cpu'], '1', 'limit of CPU'],
  [
    'a heap',
    'demo',
    ['Deployment/planner', ...container, 'resources', 'limits', 'memory'],
    '200Mi',
    'heap is too large',
  ],
  ['no probe', 'demo', ['Deployment/worker', ...container, 'livenessProbe'], undefined, 'no livenessProbe'],
  [
    'a wrong path',
    'demo',
    ['Deployment/api', ...container, 'livenessProbe', 'httpGet', 'path'],
    '/readyz',
    'does not ask',
  ],
  [
    'no such port',
    'demo',
    ['Deployment/smsc', ...container, 'readinessProbe', 'tcpSocket', 'port'],
    'x',
    'is not there',
  ],
  ['another port', 'demo', ['Deployment/api', ...container, 'ports', 0, 'containerPort'], 9999, 'as the settings say'],
  ['a short grace', 'national', ['Deployment/api', ...pod, 'terminationGracePeriodSeconds'], 25, 'is not longer than'],
  ['no pause', 'demo', ['Deployment/api', ...container, 'lifecycle'], undefined, 'load balancers'],
  ['a short drain', 'demo', ['ConfigMap/settings', 'data', 'TOCSIN_DRAIN_MS'], '9000', 'ends before a carrier'],
  ['no spread', 'national', ['Deployment/worker', ...pod, 'topologySpreadConstraints', 0], undefined, 'is not spread'],
  ['patience', 'national', ['Deployment/worker', ...pod, 'tolerations'], undefined, 'lost node'],
  [
    'no rollout',
    'demo',
    ['Deployment/worker', 'spec', 'strategy', 'rollingUpdate', 'maxUnavailable'],
    0,
    'rolling update',
  ],
  ['a shell', 'demo', ['Deployment/worker', ...container, 'command'], ['sh', '-c'], 'between it and signals'],
  // References.
  ['a selector', 'demo', ['Deployment/api', 'spec', 'selector', 'matchLabels'], { a: 'b' }, 'does not select its own'],
  ['a Service', 'demo', ['Service/api', 'spec', 'selector'], { a: 'b' }, 'Service/api: it selects nothing'],
  ['a port', 'demo', ['Service/api', 'spec', 'ports', 0, 'targetPort'], 'x', 'no pod has the port x'],
  ['a budget', 'demo', ['PodDisruptionBudget/worker', 'spec', 'selector'], { matchLabels: { a: 'b' } }, 'no PodDisr'],
  ['a stuck node', 'demo', ['PodDisruptionBudget/api', 'spec', 'maxUnavailable'], 0, 'can ever be drained'],
  ['a target', 'demo', ['HorizontalPodAutoscaler/api', 'spec', 'scaleTargetRef', 'name'], 'x', 'no Deployment/x'],
  ['two masters', 'national', ['Deployment/worker', 'spec', 'replicas'], 3, 'sets them too'],
  ['a range', 'demo', ['HorizontalPodAutoscaler/api', 'spec', 'maxReplicas'], 0, 'is no range'],
  ['an account', 'demo', ['Deployment/api', ...pod, 'serviceAccountName'], 'x', 'no ServiceAccount x'],
  ['a priority', 'demo', ['Deployment/api', ...pod, 'priorityClassName'], 'x', 'no PriorityClass x'],
  ['a URL', 'national', ['Deployment/api', ...container, 'env', 1], undefined, 'does not get DATABASE_URL'],
  [
    'a Secret',
    'demo',
    ['Deployment/worker', ...container, 'env', 0, 'valueFrom', 'secretKeyRef', 'name'],
    'x',
    'no Secret x',
  ],
  ['a key', 'demo', ['Secret/postgres', 'data', 'api-url'], undefined, 'with api-url'],
  ['a volume', 'demo', ['Deployment/worker', ...pod, 'volumes'], [], 'no volume'],
  [
    'an Ingress',
    'national',
    ['Ingress/api', 'spec', 'rules', 0, 'http', 'paths', 0, 'backend', 'service'],
    { name: 'x' },
    'x',
  ],
  ['clear text', 'national', ['Ingress/api', 'spec', 'tls'], [], 'without TLS'],
  ['a namespace', 'national', ['Deployment/api', 'metadata', 'namespace'], 'default', 'not in the namespace'],
  ['a lax namespace', 'demo', ['Namespace/tocsin-demo', 'metadata', 'labels'], {}, 'does not enforce'],
  // Network.
  ['no denial', 'demo', ['NetworkPolicy/default-deny', 'spec', 'egress'], [], 'denies everything'],
  ['an idle policy', 'demo', ['NetworkPolicy/at-redis', 'spec', 'podSelector'], { matchLabels: { a: 'b' } }, 'nothing'],
  [
    'the world',
    'national',
    ['NetworkPolicy/to-carriers', 'spec', 'egress', 0, 'to'],
    [{ ipBlock: { cidr: '0.0.0.0/0' } }],
    'everybody',
  ],
  ['every port', 'national', ['NetworkPolicy/to-redis', 'spec', 'egress', 0, 'ports'], [], 'every port'],
  [
    'others at carriers',
    'national',
    ['NetworkPolicy/to-carriers', 'spec', 'podSelector', 'matchExpressions'],
    [],
    'can reach carriers',
  ],
  [
    'no way to a carrier',
    'national',
    ['NetworkPolicy/to-carriers', 'spec', 'egress', 0, 'ports', 1],
    undefined,
    'cannot reach carriers',
  ],
  ['no names', 'demo', ['NetworkPolicy/names', 'spec', 'egress', 0, 'ports'], [{ port: 54 }], 'cannot reach names'],
  ['a closed door', 'demo', ['NetworkPolicy/at-postgres', 'spec', 'ingress'], [], 'postgres: it does not let'],
  ['no metrics', 'demo', ['NetworkPolicy/metrics', 'spec', 'ingress'], [], 'nobody reaches its port health'],
  ['no users', 'demo', ['NetworkPolicy/requests', 'spec', 'ingress'], [], 'nobody reaches its port http'],
  // Settings.
  ['a variable', 'demo', ['ConfigMap/settings', 'data', 'TOCSIN_DRIAN_MS'], '1', 'nothing reads TOCSIN_DRIAN_MS'],
  ['loopback', 'demo', ['ConfigMap/settings', 'data', 'TOCSIN_HOST'], undefined, 'keeps probes'],
  [
    'a module',
    'demo',
    ['Deployment/worker', ...container, 'args'],
    ['dist/cluster/api.js'],
    'it runs dist/cluster/api.js',
  ],
  ['no settings', 'demo', ['Deployment/recorder', ...container, 'envFrom'], [], 'does not get TOCSIN_CARRIERS'],
  ['no file', 'demo', ['ConfigMap/settings', 'data', 'TOCSIN_CARRIERS'], '/x.json', 'names no mounted file'],
  ['no password', 'demo', ['Secret/carriers', 'data', 'south'], undefined, 'south: its password is nowhere'],
  ['too many workers', 'national', ['ScaledObject/worker', 'spec', 'maxReplicaCount'], 25, '25 are more than the 24'],
  ['too many replicas', 'demo', ['Deployment/worker', 'spec', 'replicas'], 5, '5 are more than the 4'],
  ['too many recorders', 'national', ['ScaledObject/recorder', 'spec', 'maxReplicaCount'], 5, '5 are more than the 4'],
];

test.each(breakages)('rules - %s is found (%s)', (_, overlay, place, value, found) => {
  const facts = factsOf(broken(overlay, place, value));
  const problems = [podProblems, referenceProblems, networkProblems, settingProblems].flatMap((rules) => rules(facts));
  expect(problems.join('\n')).toContain(found);
});

test('rules - passwords that another process is told are found', () => {
  const secret = whole.demo.find(({ kind, metadata }) => kind === 'Secret' && metadata.name.startsWith('carriers-'));
  const volumes = [{ name: 'carriers', secret: { secretName: secret?.metadata.name } }];
  const facts = factsOf(broken('demo', ['Deployment/api', ...pod, 'volumes'], volumes));
  expect(settingProblems(facts).join('\n')).toContain("Deployment/api: it is told carriers' passwords");
});

test('rules - settings that contradict each other, and a carriers file that is wrong, are found', () => {
  const contradiction = broken('demo', ['ConfigMap/settings', 'data', 'TOCSIN_GRACE_MS'], '15000');
  expect(() => factsOf(contradiction)).toThrow('TOCSIN_DRAIN_MS');
  const wrongFile = broken('national', ['ConfigMap/carriers', 'data', 'carriers.json'], '{"carriers":[]}');
  expect(() => factsOf(wrongFile)).toThrow('carriers file');
});

test('types - unknown keys and wrong values are found, of custom resources too', () => {
  const places: readonly [Place, unknown, string][] = [
    [['Deployment/api', ...container, 'resorces'], {}, 'Deployment/api: Object literal may only specify known'],
    [['StatefulSet/postgres', 'spec', 'replicas'], '1', 'StatefulSet/postgres: Type'],
    [['Job/migrate', 'spec', 'backofLimit'], 1, 'Job/migrate: Object literal'],
    [['NetworkPolicy/names', 'spec', 'egress', 0, 'from'], [], 'NetworkPolicy/names: Object literal'],
    [['Service/api', 'spec', 'ports', 0, 'port'], undefined, 'Service/api: '],
  ];
  const custom: readonly [Place, unknown, string][] = [
    [['ScaledObject/worker', 'spec', 'maxReplicas'], 5, 'ScaledObject/worker: Object literal'],
    [['ScaledObject/recorder', 'spec', 'triggers', 0, 'metadata', 'threshold'], 5, 'ScaledObject/recorder: Type'],
    [['Ingress/api', 'spec', 'rules', 0, 'http', 'paths', 0, 'pathType'], undefined, 'Ingress/api: '],
    [
      ['HorizontalPodAutoscaler/api', 'spec', 'metrics', 0, 'resource', 'target', 'averageUtilisation'],
      1,
      'Horizontal',
    ],
  ];
  const one = (overlay: keyof typeof whole, [place, value]: readonly [Place, unknown, string]) =>
    broken(overlay, place, value).filter(({ kind, metadata }) => `${kind}/${metadata.name}` === place[0]);
  const resources = [
    ...places.flatMap((breakage) => one('demo', breakage)),
    ...custom.flatMap((breakage) => one('national', breakage)),
  ];
  const problems = typeProblems(resources);
  for (const [, , found] of [...places, ...custom]) expect(problems.join('\n')).toContain(found);
});
