/**
 * The two simulated carriers of the demonstration: what the simulator does, and the carriers file that the cluster
 * reads. They differ on purpose: in rate, in how long messages and message ids are written, and in the
 * mix of receipts.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Behaviour } from '../src/smsc/behaviour.ts';

/** Environment variable of the simulated accounts' password. */
export const demoPasswordEnv = 'TOCSIN_DEMO_CARRIER_PASSWORD';

const systemId = 'valmont';
const north = { binds: 4, window: 100, ratePerSecond: 1_500, longMessages: 'udh', messageId: 'as-is' } as const;
const south = {
  binds: 2,
  window: 50,
  ratePerSecond: 800,
  longMessages: 'sar',
  messageId: 'hexadecimal-in-response',
} as const;
const carriers = [
  { name: 'north', ...north, prefixes: [''], order: 0 },
  // A fifth of the mobiles of the demonstration; north is its fallback.
  { name: 'south', ...south, prefixes: ['33639982', '33639983'], order: 0 },
] as const;
const receipts: Partial<Behaviour> = {
  receiptMix: { delivered: 0.97, undeliverable: 0.02, expired: 0.01 },
  receiptDelayMs: 200,
  receiptJitterMs: 600,
  latencyMs: 10,
  latencyJitterMs: 20,
};

/** Writes the simulator's file; returns its path. Ports are free ones; the logs say what really arrived. */
export function writeSimulatorFile(home: string, password: string): string {
  const folder = join(home, 'smsc');
  mkdirSync(folder, { recursive: true });
  const simulated = carriers.map(({ name, binds, ratePerSecond, messageId }, index) => ({
    port: 0,
    accounts: [{ systemId, password }],
    seed: index + 1,
    log: join(folder, `${name}.log`),
    memory: join(folder, `${name}.memory`),
    behaviour: { ...receipts, bindsMax: binds, ratePerSecond: Math.ceil(ratePerSecond * 1.05), messageIds: messageId },
  }));
  return written(join(folder, 'carriers.json'), simulated);
}

/** Writes the carriers file for simulators that listen on `ports`; returns its path. */
export function writeCarriersFile(home: string, ports: readonly number[]): string {
  const host = '127.0.0.1';
  const settings = carriers.map((carrier, index) => ({
    ...carrier,
    host,
    port: ports[index],
    systemId,
    passwordEnv: demoPasswordEnv,
  }));
  return written(join(home, 'carriers.json'), { carriers: settings });
}

function written(path: string, value: unknown): string {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  return path;
}
