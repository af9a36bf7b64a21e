/** One simulated carrier as a process of its own, for benches that need no cluster. Main thread. */
import { join } from 'node:path';
import { startChild } from '../cluster/children.ts';
import type { SmscStats } from '../src/smsc/stats.ts';

/** Who may bind to it. */
export const simulatorAccount = { systemId: 'bench', password: 'bench' } as const;

/** A simulator that runs. */
export type Simulator = {
  readonly port: number;
  stats(): Promise<SmscStats>;
  stop(): Promise<void>;
};

const stopMs = 10_000;

/** Starts one that takes everything at once; `folder` gets its log file. */
export async function startSimulator(folder: string, flags: readonly string[] = []): Promise<Simulator> {
  const surroundings = { logFile: join(folder, 'simulator.log'), environment: { PATH: process.env['PATH'] } };
  const { systemId, password } = simulatorAccount;
  const account = ['--system-id', systemId, '--password', password];
  const child = await startChild('smsc', 'smsc', surroundings, ['--port', '0', '--http', '0', ...account, ...flags]);
  const [server] = child.announced['servers'] as readonly { port: number; httpPort: number }[];
  if (server === undefined) throw new Error('the simulator told no port');
  return {
    port: server.port,
    async stats() {
      const response = await fetch(`http://127.0.0.1:${server.httpPort}/stats`);
      return (await response.json()) as SmscStats;
    },
    stop: () => child.stop(stopMs),
  };
}
