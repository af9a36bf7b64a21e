/** Rules about who may talk to whom: nothing that no policy names, and everything that a process needs. */
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from 'kubernetes-types/networking/v1.d.ts';
import type { Facts } from './facts.ts';
import { ofKind, type Resource, type Selector, selects, type Workload } from './resources.ts';
import { required } from './setting-rules.ts';

type Policy = Resource & NetworkPolicy;
type Rule = { readonly peers: readonly NetworkPolicyPeer[]; readonly ports: readonly NetworkPolicyPort[] };
type Direction = 'Ingress' | 'Egress';

const redisPort = 6379;
const postgresPort = 5432;
const namesPort = 53;

/** Every problem of the network policies. */
export function networkProblems(facts: Facts): string[] {
  const policies = ofKind<NetworkPolicy>(facts.resources, 'NetworkPolicy');
  const ours = facts.workloads.filter(({ role }) => role !== undefined);
  return [
    ...(policies.some(deniesAll) ? [] : ['there is no NetworkPolicy that denies everything']),
    ...policies.filter((policy) => !deniesAll(policy)).flatMap((policy) => ownProblems(policy, facts.workloads)),
    ...facts.workloads.flatMap((workload) => unheld(policies, workload)),
    ...ours.flatMap((workload) => [...needs(policies, workload, facts), ...served(policies, workload)]),
    ...facts.workloads.flatMap((workload) => unanswered(policies, workload, facts.workloads)),
  ];
}

function deniesAll({ spec }: Policy): boolean {
  const { podSelector, policyTypes = [], ingress, egress } = spec ?? {};
  const isWhole = podSelector !== undefined && Object.keys(podSelector).length === 0;
  return isWhole && policyTypes.length === 2 && ingress === undefined && egress === undefined;
}

function rulesOf({ spec }: Policy, direction: Direction): Rule[] {
  if (spec?.policyTypes?.includes(direction) !== true) return [];
  if (direction === 'Ingress') return (spec.ingress ?? []).map(({ from = [], ports = [] }) => ({ peers: from, ports }));
  return (spec.egress ?? []).map(({ to = [], ports = [] }) => ({ peers: to, ports }));
}

function isHeldBy({ spec }: Policy, { labels }: Workload): boolean {
  return selects(spec?.podSelector, labels);
}

/** Rules of a direction that hold for a workload. */
function rulesFor(policies: readonly Policy[], workload: Workload, direction: Direction): Rule[] {
  return policies.filter((policy) => isHeldBy(policy, workload)).flatMap((policy) => rulesOf(policy, direction));
}

function ownProblems(policy: Policy, workloads: readonly Workload[]): string[] {
  const name = `NetworkPolicy/${policy.metadata.name}`;
  const rules = [...rulesOf(policy, 'Ingress'), ...rulesOf(policy, 'Egress')];
  const isOpen = rules.some(({ peers, ports }) => peers.length === 0 || ports.length === 0 || peers.some(isEverybody));
  return [
    ...(workloads.some((workload) => isHeldBy(policy, workload)) ? [] : [`${name}: it selects nothing`]),
    ...(isOpen ? [`${name}: it lets everybody, or every port`] : []),
  ];
}

function isEverybody({ ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer): boolean {
  const all = (selector: object | undefined) => selector !== undefined && Object.keys(selector).length === 0;
  return ipBlock?.cidr.endsWith('/0') === true || all(namespaceSelector) || (all(podSelector) && !namespaceSelector);
}

/** Pods that only the policy for everything holds: nothing can reach them, nor they anything. */
function unheld(policies: readonly Policy[], workload: Workload): string[] {
  const own = policies.filter((policy) => !deniesAll(policy) && isHeldBy(policy, workload));
  return own.length > 0 ? [] : [`${workload.kind}/${workload.name}: no NetworkPolicy is for it`];
}

function reaches(rules: readonly Rule[], port: number): boolean {
  return rules.some(({ ports }) => ports.some((one) => one.port === port));
}

/** What a process must reach, and what it must not. */
function needs(policies: readonly Policy[], workload: Workload, { carriers }: Facts): string[] {
  const { kind, name, role = '' } = workload;
  const egress = rulesFor(policies, workload, 'Egress');
  const wants = required(role);
  const problems: string[] = [];
  const check = (what: string, port: number, isWanted: boolean) => {
    if (reaches(egress, port) === isWanted) return;
    problems.push(`${kind}/${name}: it ${isWanted ? 'cannot' : 'can'} reach ${what} (${port})`);
  };
  check('names', namesPort, true);
  check('Redis', redisPort, wants.includes('REDIS_URL'));
  check('PostgreSQL', postgresPort, wants.includes('DATABASE_URL'));
  for (const port of new Set(carriers.map((carrier) => carrier.port))) check('carriers', port, role === 'worker');
  return problems;
}

/** What must be able to reach a process: whoever reads metrics, and for the API its users. */
function served(policies: readonly Policy[], workload: Workload): string[] {
  if (workload.kind === 'Job') return [];
  const ports = rulesFor(policies, workload, 'Ingress').flatMap((rule) => rule.ports.map(({ port }) => String(port)));
  const wanted = workload.role === 'api' ? ['health', 'http'] : ['health'];
  return [
    ...wanted
      .filter((port) => !ports.includes(port))
      .map((port) => `${workload.name}: nobody reaches its port ${port}`),
    ...ports
      .filter((port) => !wanted.includes(port))
      .map((port) => `${workload.name}: somebody reaches its port ${port}`),
  ];
}

/** Pods of the overlay that a workload may go to and that would not let it in. */
function unanswered(policies: readonly Policy[], from: Workload, all: readonly Workload[]): string[] {
  return rulesFor(policies, from, 'Egress').flatMap(({ peers, ports }) =>
    peers.filter(isInOwnNamespace).flatMap(({ podSelector }) => {
      const targets = all.filter(({ labels }) => selects(podSelector as Selector, labels));
      if (targets.length === 0) return [`${from.name}: it may reach pods that are not there`];
      return targets
        .filter((target) => !ports.every(({ port }) => letsIn(policies, target, from, port)))
        .map((target) => `${target.name}: it does not let ${from.name} in`);
    }),
  );
}

function isInOwnNamespace({ podSelector, namespaceSelector }: NetworkPolicyPeer): boolean {
  return podSelector !== undefined && namespaceSelector === undefined;
}

function letsIn(
  policies: readonly Policy[],
  target: Workload,
  from: Workload,
  port: number | string | undefined,
): boolean {
  return rulesFor(policies, target, 'Ingress').some(
    (rule) =>
      rule.ports.some((one) => one.port === port) &&
      rule.peers.filter(isInOwnNamespace).some(({ podSelector }) => selects(podSelector, from.labels)),
  );
}
