/**
 * Ports of what is started on this machine: the one asked for, or a free one. Main thread.
 */
import { createServer } from 'node:net';
import { Fault } from '../src/fault.ts';

/** `port`, or one that the system chose for 0, if nothing listens there; else rejects with the socket's error. */
async function probePort(port: number, host = '127.0.0.1'): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(port, host, resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : port;
}

/**
 * Looks whether a port can be had that `variable` asks for, before anything is started.
 * @throws Fault `start` when it cannot.
 */
export async function requirePort(host: string, port: number, variable: string): Promise<void> {
  await probePort(port, host).catch((cause: unknown) => {
    throw new Fault('start', `port ${port} of ${host} cannot be had; set ${variable} to a free one`, { cause });
  });
}

/**
 * Starts on `wanted`, or on a free port for 0; in that case again when another program took the port
 * first. Faults: `start` when `wanted` is taken.
 */
export async function onPort<T>(name: string, wanted: number, start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const port = await probePort(wanted).catch((cause: unknown) => {
      throw new Fault('start', `${name} cannot have port ${wanted}: another program listens there.`, { cause });
    });
    try {
      return await start(port);
    } catch (error) {
      const isTaken = await probePort(port).then(
        () => false,
        () => true,
      );
      if (wanted !== 0 || attempt === 3 || !isTaken) throw error;
    }
  }
}
