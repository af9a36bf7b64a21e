/** From what was played to figures: rates, shares, fairness, and what Redis had to do. Pure. */
import { rounded } from '../harness.ts';
import type { VirtualCarrier } from './carrier.ts';
import { type Plan, weights } from './plan.ts';
import type { Played } from './run.ts';

/** A part of the story. */
export type Phase = { readonly name: string; readonly fromMs: number; readonly toMs: number };

/** Time after which everything that a crash or a thaw upset should be as before. */
export function settleMs({ leases }: Plan): number {
  return leases.slotLeaseMs + leases.slotLeaseMs / 4 + 1_000;
}

/** The parts of the story, in order. */
export function phasesOf(plan: Plan): Phase[] {
  const { joinFromMs, joinForMs, killAtMs, freezeAtMs, thawAtMs, alertAtMs, rollFromMs, endMs } = plan.timeline;
  const joinedMs = joinFromMs + joinForMs + 1_000;
  const regainedMs = killAtMs + settleMs(plan);
  return [
    { name: 'workers join', fromMs: joinFromMs, toMs: joinedMs },
    { name: 'quiet', fromMs: joinedMs, toMs: killAtMs },
    { name: `${plan.killed} killed, their leases run out`, fromMs: killAtMs, toMs: regainedMs },
    { name: 'quiet again', fromMs: regainedMs, toMs: freezeAtMs },
    { name: `${plan.frozen} stand still past their leases`, fromMs: freezeAtMs, toMs: thawAtMs },
    { name: 'they go on', fromMs: thawAtMs, toMs: alertAtMs },
    { name: 'an alert', fromMs: alertAtMs, toMs: rollFromMs },
    { name: 'all are restarted in turn', fromMs: rollFromMs, toMs: endMs },
  ];
}

/** Segments of carriers in a part, as a share of what their contracts allow. */
export function heldIn(carriers: readonly VirtualCarrier[], { fromMs, toMs }: Omit<Phase, 'name'>): number {
  let sent = 0;
  let allowed = 0;
  for (const { perMs, contract } of carriers) {
    for (let ms = fromMs; ms < toMs; ms++) sent += perMs[ms] as number;
    allowed += (contract.ratePerSecond * (toMs - fromMs)) / 1000;
  }
  return sent / allowed;
}

/** The fullest second of a carrier, wherever it begins, as a share of its rate. */
export function fullestSecond({ perMs, contract }: VirtualCarrier): number {
  let sum = 0;
  let most = 0;
  for (let ms = 0; ms < perMs.length; ms++) {
    sum += (perMs[ms] as number) - (ms < 1000 ? 0 : (perMs[ms - 1000] as number));
    most = Math.max(most, sum);
  }
  return most / contract.ratePerSecond;
}

/** Jain's index of what organisations got ÷ their weights, between two times. */
export function jainIn({ judge, plan }: Played, fromMs: number, toMs: number): number {
  const rates = judge.served.slice(0, plan.organisations).map((perSecond, organisation) => {
    const served = perSecond.slice(Math.ceil(fromMs / 1000), Math.floor(toMs / 1000)).reduce((sum, n) => sum + n, 0);
    return served / (weights[organisation % weights.length] ?? 1);
  });
  const sum = rates.reduce((all, rate) => all + rate, 0);
  return sum ** 2 / (rates.length * rates.reduce((all, rate) => all + rate ** 2, 0));
}

/** How the alert fared over all carriers. */
export function alertFigures({ judge, plan }: Played) {
  const share = (of: 'alert' | 'information') => judge.alertMeanwhile.reduce((sum, counts) => sum + counts[of], 0);
  const { alertAtMs } = plan.timeline;
  return {
    firstMs: Math.max(...judge.alertFirstMs) - alertAtMs,
    lastMs: Math.max(...judge.alertLastMs) - alertAtMs,
    share: rounded(share('alert') / (share('alert') + share('information')), 3),
    again: judge.alertsAgain,
  };
}

/** Scripts a second by name in the quiet part, and the most slot renewals in any second. */
export function redisFigures({ scriptsPerSecond, plan, redisCpuSeconds, signals }: Played) {
  const quiet = phasesOf(plan).find(({ name }) => name === 'quiet again') as Phase;
  const seconds = scriptsPerSecond.slice(Math.ceil(quiet.fromMs / 1000), Math.floor(quiet.toMs / 1000));
  const totals: Record<string, number> = {};
  for (const second of seconds)
    for (const [name, count] of Object.entries(second)) totals[name] = (totals[name] ?? 0) + count;
  const perSecond = Object.entries(totals).map(([name, count]) => [
    name.replace(/Script$/, ''),
    Math.round(count / Math.max(1, seconds.length)),
  ]);
  return {
    scriptsPerSecond: Object.fromEntries(perSecond) as Record<string, number>,
    renewalsMost: Math.max(...scriptsPerSecond.map(({ slotsScript = 0 }) => slotsScript)),
    signals,
    cpuShare: rounded((redisCpuSeconds * 1000) / plan.timeline.endMs, 3),
  };
}
