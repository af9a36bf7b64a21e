/** A status as tables for a terminal. Pure. */
import { lanes } from '../../src/handoff.ts';
import type { StreamBacklog } from '../../src/stream/backlog.ts';
import type { CarrierStatus, Status } from './status.ts';
import { ageText, bytesText, tableLines } from './table.ts';

/** Lines of a status; `nowMs` is the wall clock. */
export function statusLines(status: Status, nowMs: number): string[] {
  return [
    ...processLines(status, nowMs),
    '',
    ...tableLines(carrierHeading, status.carriers.map(carrierRow)),
    '',
    ...tableLines(['LANE', '', 'CAMPAIGNS', 'BATCHES', 'RECIPIENTS', 'OLDEST'], status.carriers.flatMap(laneRows)),
    '',
    ...accountLines(status),
    ...slotLines(status),
    campaignLine(status),
  ];
}

function processLines({ processes }: Status, nowMs: number): string[] {
  if (processes.length === 0) return ['no process of the cluster has told of itself within five seconds'];
  const rows = processes.map(({ role, name, host, pid, startedAtMs, phase = 'works' }) => [
    role,
    name,
    host,
    String(pid),
    ageText(Math.max(0, nowMs - startedAtMs)),
    phase,
  ]);
  return tableLines(['PROCESS', 'NAME', 'HOST', 'PID', 'FOR', 'STATE'], rows);
}

const carrierHeading = [
  'CARRIER',
  'STATE',
  'BINDS UP',
  'SLOTS',
  'PER SECOND',
  'IN HAND',
  'WAITING',
  'OUTCOMES',
  'RECEIPTS',
  'ORPHANS',
  'ASIDE',
];

function carrierRow(of: CarrierStatus) {
  const { contract, slots, batchesHeld, waitingBytes, unrecorded, orphans, setAside } = of;
  return [
    of.carrier,
    stateOf(of),
    `${of.bindsUp}/${contract.binds}`,
    `${slots.length}/${contract.binds}`,
    contract.ratePerSecond,
    batchesHeld,
    bytesText(waitingBytes),
    lagText(unrecorded.outcomes),
    lagText(unrecorded.receipts),
    orphans ?? '–',
    setAside,
  ];
}

/** Entries that wait, and for how long the oldest has. */
function lagText({ entries, oldestMs }: StreamBacklog): string {
  return entries === 0 ? '0' : `${entries.toLocaleString('en')}, ${ageText(oldestMs)}`;
}

function stateOf({ pause, bindsUp, contract }: CarrierStatus): string {
  if (contract.binds === 0) return 'no more, given up';
  if (pause.pause === 'wait') return 'paused';
  if (pause.pause === 'reroute') return 'paused, rerouted';
  return bindsUp > 0 ? 'sending' : 'no bind';
}

function laneRows({ carrier, lanes: waiting, pending }: CarrierStatus) {
  return lanes.map((lane) => {
    const { campaigns, batches, oldestMs } = waiting[lane];
    return [carrier, lane, campaigns, batches, pending?.[lane] ?? '–', oldestMs === 0 ? '' : ageText(oldestMs)];
  });
}

function accountLines({ accounts }: Status): string[] {
  if (accounts.length === 0) return [];
  const rows = accounts.map(({ account, shards, pending, orphans }) => [
    account,
    shards.length,
    ...lanes.map((lane) => pending?.[lane] ?? '–'),
    orphans ?? '–',
  ]);
  return [...tableLines(['ACCOUNT', 'SHARDS', 'ALERT RECIPIENTS', 'INFORMATION RECIPIENTS', 'ORPHANS'], rows), ''];
}

function slotLines({ carriers, processes }: Status): string[] {
  const rows = carriers.flatMap(({ carrier, slots }) =>
    [...new Set(slots.map(({ worker }) => worker))].map((worker) => {
      const held = slots.filter((slot) => slot.worker === worker).map(({ slot }) => slot);
      // After a drain a worker's lines have its name and a number.
      const owner = processes.find(({ name }) => worker === name || worker.startsWith(`${name}.`));
      const line = owner?.lines?.find((of) => of.carrier === carrier);
      return [carrier, worker, held.join(' '), line?.bound ?? '–', line?.open ?? '–', line?.batches ?? '–'];
    }),
  );
  if (rows.length === 0) return ['no slot is held'];
  return [...tableLines(['SLOTS OF', 'WORKER', 'SLOTS', 'BINDS UP', 'UNANSWERED', 'BATCHES'], rows), ''];
}

function campaignLine({ campaigns, commandsWaiting, database, databaseFault }: Status): string {
  const commands = `${commandsWaiting} commands wait for a planner`;
  if (database === 'absent') return `${commands}; DATABASE_URL is not set, so campaigns are not known`;
  if (campaigns === null) return `${commands}; campaigns are not known: ${databaseFault}`;
  const open = campaigns.map(({ status, nature, count }) => `${count} ${nature} ${status}`).join(', ');
  return `campaigns: ${open === '' ? 'none is open' : open}; ${commands}`;
}
