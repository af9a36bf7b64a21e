/** Rules about pods: rights, probes, resources, images, how they end and where they run. */
import type { Container, Probe } from 'kubernetes-types/core/v1.d.ts';
import type { Facts } from './facts.ts';
import type { Workload } from './resources.ts';

/** Margin between the end of a process by its own watchdog and its end by the kubelet. */
const graceMarginMs = 2_000;
/** Share of its memory limit that a process may give to V8's old space: buffers are beside it. */
const heapShareMax = 0.75;

/** Every problem of every pod. */
export function podProblems(facts: Facts): string[] {
  return facts.workloads.flatMap((workload) => {
    const problems = [
      ...rights(workload),
      ...workload.containers.flatMap((container) => [
        ...containerRights(container),
        ...resources(container),
        ...image(container, facts.version),
        ...(workload.kind === 'Job' ? [] : probes(workload, container)),
      ]),
      ...(workload.role === undefined ? [] : ending(workload, facts)),
      ...(workload.role === undefined || workload.kind === 'Job'
        ? []
        : [...ports(workload, facts), ...place(workload)]),
    ];
    return problems.map((problem) => `${workload.kind}/${workload.name}: ${problem}`);
  });
}

function rights({ pod }: Workload): string[] {
  const { securityContext: context = {} } = pod;
  return [
    ...(context.runAsNonRoot === true ? [] : ['runAsNonRoot is not true']),
    ...((context.runAsUser ?? 0) > 0 ? [] : ['runAsUser is not a number above 0']),
    ...(context.seccompProfile?.type === 'RuntimeDefault' ? [] : ['seccompProfile is not RuntimeDefault']),
    ...(pod.automountServiceAccountToken === false ? [] : ["the account's token is mounted"]),
    ...(pod.hostNetwork === true || pod.hostPID === true ? ["it is in the host's namespaces"] : []),
  ];
}

function containerRights({ name, securityContext: context = {} }: Container): string[] {
  const drops = context.capabilities?.drop?.includes('ALL') === true && context.capabilities.add === undefined;
  return [
    ...(context.allowPrivilegeEscalation === false ? [] : [`${name}: allowPrivilegeEscalation is not false`]),
    ...(context.readOnlyRootFilesystem === true ? [] : [`${name}: readOnlyRootFilesystem is not true`]),
    ...(drops ? [] : [`${name}: capabilities are not dropped`]),
  ];
}

function resources({ name, resources: { requests = {}, limits = {} } = {}, args = [] }: Container): string[] {
  const limit = bytesOf(limits['memory']);
  const heap = /--max-old-space-size=(\d+)/.exec(args.join(' '))?.[1];
  return [
    ...(requests['cpu'] === undefined ? [`${name}: no request of CPU`] : []),
    ...(requests['memory'] === undefined ? [`${name}: no request of memory`] : []),
    ...(limits['memory'] === undefined ? [`${name}: no limit of memory`] : []),
    ...(limits['cpu'] === undefined ? [] : [`${name}: a limit of CPU, which stops a sender in mid-second`]),
    ...(bytesOf(requests['memory']) > limit ? [`${name}: requests more memory than its limit`] : []),
    ...(heap !== undefined && Number(heap) * 2 ** 20 > limit * heapShareMax ? [`${name}: the heap is too large`] : []),
  ];
}

/** A quantity of memory in bytes. */
function bytesOf(quantity: string | undefined): number {
  const [, number = '0', unit = ''] = /^(\d+)(Ki|Mi|Gi)?$/.exec(quantity ?? '0') ?? [];
  return Number(number) * ({ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }[unit] ?? 1);
}

function image({ name, image: reference = '' }: Container, version: string): string[] {
  // A digest is one image for ever.
  if (/@sha256:[0-9a-f]{64}$/.test(reference)) return [];
  const tag = /:([^/:]+)$/.exec(reference)?.[1];
  if (tag === undefined || !/\d+\.\d+/.test(tag)) return [`${name}: the image ${reference} is not pinned to a version`];
  const isOurs = /(^|\/)tocsin:/.test(reference);
  return isOurs && tag !== version ? [`${name}: the image has version ${tag}, the package ${version}`] : [];
}

function probes({ role }: Workload, container: Container): string[] {
  const wanted = { startupProbe: '/healthz', readinessProbe: '/readyz', livenessProbe: '/healthz' } as const;
  return Object.entries(wanted).flatMap(([kind, path]) => {
    const probe = container[kind as keyof typeof wanted];
    if (probe === undefined) return [`${container.name}: no ${kind}`];
    const isAsWanted = role === undefined || (probe.httpGet?.path === path && probe.httpGet.port === 'health');
    return [
      ...(isAsWanted ? [] : [`${container.name}: ${kind} does not ask ${path} of the port health`]),
      ...(namesPort(container, probe) ? [] : [`${container.name}: ${kind} asks a port that is not there`]),
    ];
  });
}

function namesPort({ ports: own = [] }: Container, { httpGet, tcpSocket }: Probe): boolean {
  const port = httpGet?.port ?? tcpSocket?.port;
  return port === undefined || own.some(({ name, containerPort }) => name === port || containerPort === port);
}

function ports({ role, containers }: Workload, { settings }: Facts): string[] {
  const wanted: Record<string, number> = { health: settings.healthPort };
  if (role === 'api') wanted['http'] = settings.port;
  const own = containers.flatMap((container) => container.ports ?? []);
  const found = Object.fromEntries(own.map(({ name = '', containerPort }) => [name, containerPort]));
  return Object.entries(wanted)
    .filter(([name, port]) => found[name] !== port)
    .map(([name, port]) => `its port ${name} is not ${port}, as the settings say`);
}

/** SIGTERM, then its own deadlines, and only then the kubelet's. */
function ending({ kind, role, pod, containers }: Workload, { settings, carriers }: Facts): string[] {
  if (kind === 'Job') return [];
  const sleeps = containers.map(({ lifecycle }) => lifecycle?.preStop?.sleep?.seconds ?? 0);
  const preStopMs = Math.max(...sleeps) * 1000;
  const graceMs = (pod.terminationGracePeriodSeconds ?? 30) * 1000;
  const slowest = Math.max(...carriers.map(({ responseMs }) => responseMs));
  return [
    ...(graceMs >= preStopMs + settings.graceMs + graceMarginMs
      ? []
      : [`terminationGracePeriodSeconds (${graceMs} ms) is not longer than preStop and TOCSIN_GRACE_MS`]),
    ...(role === 'worker' && settings.drainMs <= slowest
      ? [`TOCSIN_DRAIN_MS (${settings.drainMs}) ends before a carrier must have answered (${slowest})`]
      : []),
    ...(role === 'api' && preStopMs === 0 ? ['it stops before load balancers have heard of it'] : []),
  ];
}

/** Spread over zones and nodes, replaced soon, and never all away in a rollout. */
function place({ pod, spec, containers }: Workload): string[] {
  const spread = (pod.topologySpreadConstraints ?? []).map(({ topologyKey }) => topologyKey);
  const tolerated = (pod.tolerations ?? []).filter(({ effect }) => effect === 'NoExecute');
  const { maxSurge, maxUnavailable } = spec.strategy?.rollingUpdate ?? {};
  return [
    ...['topology.kubernetes.io/zone', 'kubernetes.io/hostname']
      .filter((key) => !spread.includes(key))
      .map((key) => `it is not spread over ${key}`),
    ...(tolerated.length >= 2 && tolerated.every(({ tolerationSeconds: seconds }) => (seconds ?? Infinity) <= 60)
      ? []
      : ['it stays on a lost node for longer than a minute']),
    ...(maxSurge === undefined || maxUnavailable === undefined || (maxSurge === 0 && maxUnavailable === 0)
      ? ['its rolling update is not set']
      : []),
    ...(containers.some(({ command }) => command !== undefined) ? ['a command stands between it and signals'] : []),
  ];
}
