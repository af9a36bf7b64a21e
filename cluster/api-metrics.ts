/** Metrics of the API: requests and their time. API process. Labels are routes and status classes, never ids. */
import type { AnsweredRequest } from '../src/api/parts.ts';
import type { Metrics } from '../src/telemetry.ts';

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const tooManyRequests = 429;

/** Registers the API's metrics; gives what is to be told of each request. */
export function countRequests(metrics: Metrics): (request: AnsweredRequest) => void {
  const requests = metrics.counter('tocsin_api_requests_total', 'Requests by route and status class.', [
    'route',
    'status',
  ]);
  const times = metrics.histogram(
    'tocsin_api_request_seconds',
    'Time from a request to the beginning of its answer.',
    secondsBuckets,
    ['route'],
  );
  const limited = metrics.counter('tocsin_api_limited_total', 'Requests that a rate limit refused.');
  limited.inc(0);
  return ({ route, status, seconds }) => {
    requests.inc({ route, status: `${Math.floor(status / 100)}xx` });
    times.observe({ route }, seconds);
    if (status === tooManyRequests) limited.inc();
  };
}
