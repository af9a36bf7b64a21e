/** Rules about settings: variables, the carriers file with its passwords, and how many processes the carriers allow. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Container } from 'kubernetes-types/core/v1.d.ts';
import { knownVariables } from '../../config/unknown.ts';
import type { Facts } from './facts.ts';
import { scalers, secretsOf } from './reference-rules.ts';
import { ofKind, type Resource, type Workload } from './resources.ts';

const clusterFolder = join(import.meta.dirname, '..', '..', 'cluster');
/** Variables of Node, and of OpenTelemetry. */
const otherVariables = /^(NODE_(EXTRA_CA_CERTS|OPTIONS)|OTEL_[A-Z_]+)$/;

/** Every problem of settings. */
export function settingProblems(facts: Facts): string[] {
  const ours = facts.workloads.filter(({ role }) => role !== undefined);
  return [
    ...Object.keys(facts.environment)
      .filter(isUnknown)
      .map((name) => `settings: nothing reads ${name}`),
    ...(facts.settings.host === '0.0.0.0' ? [] : ['settings: TOCSIN_HOST keeps probes and users out']),
    ...ours.flatMap((workload) => processProblems(workload, facts)),
    ...passwordProblems(facts),
    ...numbers(facts),
  ];
}

function isUnknown(name: string): boolean {
  return !knownVariables.has(name) && !otherVariables.test(name);
}

const ofAll = ['REDIS_URL', 'TOCSIN_CARRIERS'];
const ofRoles: Readonly<Record<string, readonly string[]>> = {
  api: [...ofAll, 'DATABASE_URL', 'TOCSIN_PLATFORM_KEY'],
  planner: [...ofAll, 'DATABASE_URL'],
  recorder: [...ofAll, 'DATABASE_URL'],
  worker: ofAll,
  migrate: ['DATABASE_URL'],
};

/** Variables without which a process does not start; image.int.test.ts starts each with these alone. */
export function required(role: string): readonly string[] {
  return ofRoles[role] ?? [];
}

function processProblems({ kind, name, role = '', containers, pod }: Workload, facts: Facts): string[] {
  const problems: string[] = [];
  const [container] = containers;
  if (container === undefined || containers.length > 1) return [`${kind}/${name}: it is not one container`];
  const module = container.args?.at(-1);
  if (module !== `dist/cluster/${role}.js` || !existsSync(join(clusterFolder, `${role}.ts`)))
    problems.push(`it runs ${module}`);
  const own = (container.env ?? []).map((one) => one.name);
  problems.push(...own.filter(isUnknown).map((variable) => `nothing reads ${variable}`));
  const isShared = container.envFrom?.some(({ configMapRef: map }) => map?.name?.startsWith('settings-')) === true;
  const given = [...own, ...(isShared ? Object.keys(facts.environment) : [])];
  problems.push(
    ...required(role)
      .filter((variable) => !given.includes(variable) && !given.includes(`${variable}_FILE`))
      .map((variable) => `it does not get ${variable}`),
  );
  if (given.includes('TOCSIN_CARRIERS')) {
    const volume = pod.volumes?.find(({ configMap }) => configMap?.name?.startsWith('carriers-'))?.name;
    const path = container.volumeMounts?.find((mount) => mount.name === volume)?.mountPath;
    if (facts.settings.carriers !== `${path}/${facts.carriersFile}`)
      problems.push('TOCSIN_CARRIERS names no mounted file');
  }
  return problems.map((problem) => `${kind}/${name}: ${problem}`);
}

/** Folders of a container, with the volume that is mounted there. */
function mounts({ volumeMounts = [] }: Container): Map<string, string> {
  return new Map(volumeMounts.map(({ mountPath, name }) => [mountPath, name]));
}

function passwordProblems({ workloads, carriers, resources, provided }: Facts): string[] {
  const worker = workloads.find(({ role }) => role === 'worker');
  const [container] = worker?.containers ?? [];
  if (worker === undefined || container === undefined) return ['there is no worker'];
  const folders = mounts(container);
  const secretAt = (folder: string) =>
    worker.pod.volumes?.find((volume) => volume.name === folders.get(folder))?.secret?.secretName;
  const split = (path: string) =>
    [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)] as const;
  const problems = carriers.flatMap(({ name, passwordFile = '', tls }) => {
    const [folder, key] = split(passwordFile);
    const secret = secretAt(folder) ?? '';
    const values = ofKind<{ data?: Record<string, string> }>(resources, 'Secret').find(
      ({ metadata }) => metadata.name === secret,
    );
    const isThere = values?.data?.[key] !== undefined || provided.has(`Secret/${secret}/${key}`);
    const hasAuthority = tls?.caFile === undefined || folders.has(split(tls.caFile)[0]);
    return [
      ...(isThere ? [] : [`carrier ${name}: its password is nowhere`]),
      ...(hasAuthority ? [] : [`carrier ${name}: its authority is nowhere`]),
    ];
  });
  const secrets = new Set(carriers.map(({ passwordFile = '' }) => secretAt(split(passwordFile)[0])));
  const others = workloads.filter(({ role }) => role !== undefined && role !== 'worker');
  const told = others.filter((workload) => secretsOf(workload).some((secret) => secrets.has(secret)));
  return [...problems, ...told.map(({ kind, name }) => `${kind}/${name}: it is told carriers' passwords`)];
}

/** Workers beyond the slots, and recorders beyond the carriers, would have nothing to do. */
function numbers({ resources, workloads, carriers }: Facts): string[] {
  const most = {
    worker: { of: 'slots of a carrier', count: Math.max(...carriers.map(({ binds }) => binds)) },
    recorder: { of: 'carriers', count: carriers.length },
  };
  return Object.entries(most).flatMap(([role, { of, count }]) =>
    largest(resources, workloads, role)
      .filter(({ replicas }) => replicas > count)
      .map(({ by, replicas }) => `${by}: ${replicas} are more than the ${count} ${of}`),
  );
}

function largest(
  resources: readonly Resource[],
  workloads: readonly Workload[],
  role: string,
): { by: string; replicas: number }[] {
  const scaled = scalers(resources)
    .filter(({ target }) => target === `Deployment/${role}`)
    .map(({ of, max }) => ({ by: of, replicas: max }));
  const fixed = workloads
    .filter((workload) => workload.role === role)
    .map(({ name, spec }) => ({
      by: `Deployment/${name}`,
      replicas: spec.replicas ?? 1,
    }));
  return [...scaled, ...fixed];
}
