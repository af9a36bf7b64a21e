/**
 * Load by autocannon: a fixed number of requests, so that the work can be counted, over keep-alive connections. Main
 * thread of the bench, which has nothing else to do meanwhile.
 */
import autocannon from 'autocannon';

/** What is asked for; `paths` gives the path of each next request where they differ. */
export type LoadTarget = {
  readonly origin: string;
  readonly method: 'GET' | 'POST';
  readonly path: string | (() => string);
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** How much is asked. */
export type LoadAmount = {
  readonly connections: number;
  readonly requests: number;
  /** Requests a second over all connections; as fast as possible when absent. */
  readonly ratePerSecond?: number;
};

/** What came back. */
export type LoadFigures = {
  readonly answered: number;
  readonly perSecond: number;
  /** Corrected for coordinated omission when a rate was asked for. */
  readonly p99Ms: number;
};

const sampleMs = 50;

/** Sends the requests and waits for every answer. Throws when one is not a success. */
export async function load(target: LoadTarget, amount: LoadAmount): Promise<LoadFigures> {
  const { method, path, headers = {}, body } = target;
  const next = typeof path === 'string' ? undefined : path;
  const beganMs = performance.now();
  let lastMs = beganMs;
  const options: autocannon.Options = {
    url: target.origin,
    connections: amount.connections,
    amount: amount.requests,
    // It notices its end at the next sample only.
    sampleInt: sampleMs,
    ...(amount.ratePerSecond === undefined ? {} : { overallRate: amount.ratePerSecond }),
    requests: [
      {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(typeof path === 'string' ? { path } : {}),
        ...(body === undefined ? {} : { body }),
        ...(next === undefined ? {} : { setupRequest: (request) => ({ ...request, path: next() }) }),
      },
    ],
  };
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const running = autocannon(options, (error: Error | null, found) =>
      error === null ? resolve(found) : reject(error),
    );
    running.on('response', () => {
      lastMs = performance.now();
    });
  });
  if (result.non2xx > 0 || result.errors > 0 || result.timeouts > 0)
    throw new Error(`${method} ${target.origin}: ${result.non2xx} refused, ${result.errors} failed`);
  return {
    answered: result['2xx'],
    perSecond: (result['2xx'] * 1000) / (lastMs - beganMs),
    p99Ms: result.latency.p99,
  };
}
