/**
 * Health of one process over HTTP: `/healthz` (the event loop turns), `/readyz` (its parts can work) and `/metrics`
 * (Prometheus). Neither of the first two asks PostgreSQL or Redis anything: a probe must not fall with them.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Fault } from '../src/fault.ts';
import type { Service } from '../src/service.ts';
import type { Metrics } from '../src/telemetry.ts';

/** Parts that are not ready, by name, with the reason; empty when all are. */
export type Unready = () => Readonly<Record<string, string>>;

type Answer = [status: number, type: string, body: string];

/** Serves health on `host:port`; port 0 takes a free one. */
export class Health implements Service {
  readonly name = 'health';
  readonly #host: string;
  readonly #wanted: number;
  readonly #unready: Unready;
  readonly #metrics: Metrics;
  #server: Server | undefined;

  constructor(host: string, port: number, metrics: Metrics, unready: Unready) {
    this.#host = host;
    this.#wanted = port;
    this.#metrics = metrics;
    this.#unready = unready;
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server?.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Begins to listen. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      void this.#answer(request.url ?? '')
        .catch((): Answer => [500, 'text/plain', 'the metrics cannot be read'])
        .then(([status, type, body]) => response.writeHead(status, { 'content-type': type }).end(body));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        reject(new Fault('start', `port ${this.#wanted} is taken; set TOCSIN_HEALTH_PORT to a free one`, { cause }));
      });
      server.listen(this.#wanted, this.#host, resolve);
    });
    this.#server = server;
  }

  /** Stops listening. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  async #answer(url: string): Promise<Answer> {
    switch (url.split('?')[0]) {
      case '/healthz':
        return [200, 'application/json', '{"status":"ok"}'];
      case '/readyz': {
        const unready = this.#unready();
        const isReady = Object.keys(unready).length === 0;
        return [
          isReady ? 200 : 503,
          'application/json',
          JSON.stringify({ status: isReady ? 'ok' : 'unready', unready }),
        ];
      }
      case '/metrics':
        return [200, 'text/plain; version=0.0.4', await this.#metrics.text()];
      default:
        return [404, 'application/json', '{"status":"not found; try /healthz, /readyz or /metrics"}'];
    }
  }
}
