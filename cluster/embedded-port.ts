/**
 * The port of an embedded server: the one asked for, or a free one. Main thread.
 */
import { createServer } from 'node:net';
import { Fault } from '../src/fault.ts';

/** `port`, or one that the system chose for 0, if nothing listens there; else rejects with the socket's error. */
async function probePort(port: number): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(port, '127.0.0.1', resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : port;
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
