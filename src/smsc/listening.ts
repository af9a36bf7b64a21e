/**
 * Ports of the simulator: taken and given back.
 */
import type { Server } from 'node:net';
import { Fault } from '../fault.ts';

/** Listens and gives the port; a `Fault` of code `start` when that port cannot be had. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new Fault('start', `port ${port} of ${host} cannot be listened on; is it taken?`, { cause }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Stops listening; resolves when every connection is gone, at once when it never listened. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
