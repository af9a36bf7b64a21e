/** The API on a port. API process; knows @hono/node-server. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { Fault } from '../fault.ts';

/** An API that listens. */
export type ServedApi = {
  readonly port: number;
  /** Takes no new connection, lets requests end until `deadlineMs` (monotonic), then breaks what is left. */
  close(deadlineMs: number): Promise<void>;
};

/**
 * Listens on `host:port`; port 0 takes a free one.
 * @throws Fault `start` when the port is taken.
 */
export async function serveApi(app: OpenAPIHono, at: { host: string; port: number }): Promise<ServedApi> {
  const listener = getRequestListener(app.fetch);
  const server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new Fault('start', `port ${at.port} of ${at.host} cannot be had; set PORT to a free one`, { cause }));
    });
    server.listen(at.port, at.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close(deadlineMs) {
      const timer = setTimeout(() => server.closeAllConnections(), Math.max(0, deadlineMs - performance.now()));
      server.closeIdleConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      clearTimeout(timer);
    },
  };
}
