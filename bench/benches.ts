/** Every bench by name; the order is the one of `all`. Each is loaded when it is asked for. */
import type { AnyBench } from './harness.ts';

/** Loads a bench. */
export const benches: Readonly<Record<string, () => Promise<AnyBench>>> = {
  millions: async () => (await import('./millions.ts')).millions,
  scale: async () => (await import('./scale.ts')).scale,
  start: async () => (await import('./start.ts')).start,
  overtake: async () => (await import('./overtake.ts')).overtake,
  storm: async () => (await import('./storm.ts')).storm,
  simulation: async () => (await import('./simulation.ts')).simulation,
  edge: async () => (await import('./edge.ts')).edge,
  encode: async () => (await import('./encode.ts')).encode,
  peers: async () => (await import('./peers.ts')).peers,
  api: async () => (await import('./api.ts')).api,
  import: async () => (await import('./import.ts')).importing,
};
