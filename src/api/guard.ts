/**
 * Keeps one caller from taking the API away from the others, and from trying keys: so many requests a second for each
 * address and each key, and so many unknown keys a minute for each address. API process; each process counts by itself.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, type Socket } from 'node:net';
import type { Context, MiddlewareHandler } from 'hono';
import type { Clock } from '../clock.ts';
import { clientAddress, proxiesOf } from './client-address.ts';
import type { ApiLimits } from './limits.ts';
import { ProblemFault } from './problems.ts';
import { Rate } from './rate.ts';

/** After a time of quiet so many seconds' worth may come at once. */
const burstSeconds = 10;

/** For so long after the platform's key was used from an address it is looked at there, whoever else guesses. */
const provenMs = 86_400_000;
/** Addresses of which that is remembered. */
const provenMax = 1000;

/** See the head of this file. */
export class Guard {
  private readonly clock: Clock;
  private readonly proxies: BlockList;
  private readonly trustsProxies: boolean;
  /** Other ends of connections, by which most requests are known. */
  private readonly peers = new WeakMap<Socket, string | undefined>();
  private readonly addresses: Rate;
  private readonly keys: Rate;
  private readonly failures: Rate;
  /** Until when each address counts as one of the platform's owner; the one that was proven longest ago first. */
  private readonly proven = new Map<string, number>();

  /** `trustedProxies`: see `proxiesOf`; what is wrong in it trusts nobody. */
  constructor(clock: Clock, limits: ApiLimits) {
    const { addressRequestsPerSecondMax, keyRequestsPerSecondMax, failedKeysPerMinuteMax } = limits;
    this.clock = clock;
    this.proxies = proxiesOf(limits.trustedProxies) ?? new BlockList();
    this.trustsProxies = this.proxies.rules.length > 0;
    this.addresses = new Rate(addressRequestsPerSecondMax, addressRequestsPerSecondMax * burstSeconds);
    this.keys = new Rate(keyRequestsPerSecondMax, keyRequestsPerSecondMax * burstSeconds);
    this.failures = new Rate(failedKeysPerMinuteMax / 60, failedKeysPerMinuteMax);
  }

  /** Middleware of every route. */
  readonly everyone: MiddlewareHandler = (c, next) => {
    const address = this.addressOf(c);
    if (address !== undefined) refuse(this.addresses.take(address, this.clock.monotonicMs()), 'from this address');
    return next();
  };

  /** Counts a request with a known key; throws the problem of one that is too many. */
  known(key: string): void {
    refuse(this.keys.take(key, this.clock.monotonicMs()), 'with this key');
  }

  /** Throws the problem of an address that has tried too many keys, before another one is looked at. */
  beforeTry(c: Context): void {
    const address = this.addressOf(c);
    if (address !== undefined)
      refuse(this.failures.waitMs(address, this.clock.monotonicMs()), 'with unknown keys from this address');
  }

  /** Counts a key that nobody knows, or none; beyond the rate it counts no more, or the wait would grow for hours. */
  failed(c: Context): void {
    const address = this.addressOf(c);
    if (address !== undefined) this.failures.take(address, this.clock.monotonicMs());
  }

  /**
   * As `beforeTry`, for the platform's key, which a person may have chosen: of an address from which it was used, only
   * the rate of its requests bounds guesses.
   */
  beforePlatformTry(c: Context): void {
    const untilMs = this.proven.get(this.addressOf(c) ?? '') ?? Number.NEGATIVE_INFINITY;
    if (untilMs <= this.clock.monotonicMs()) this.beforeTry(c);
  }

  /** Notes that the platform's key was used. */
  platform(c: Context): void {
    const address = this.addressOf(c);
    if (address === undefined) return;
    this.proven.delete(address);
    this.proven.set(address, this.clock.monotonicMs() + provenMs);
    if (this.proven.size <= provenMax) return;
    const first = this.proven.keys().next();
    if (first.done === false) this.proven.delete(first.value);
  }

  private addressOf(c: Context): string | undefined {
    const { socket } = ((c.env ?? {}) as { readonly incoming?: IncomingMessage }).incoming ?? {};
    if (socket === undefined) return undefined;
    const forwarded = this.trustsProxies ? c.req.header('x-forwarded-for') : undefined;
    if (forwarded !== undefined) return clientAddress(socket.remoteAddress, forwarded, this.proxies);
    if (!this.peers.has(socket)) this.peers.set(socket, clientAddress(socket.remoteAddress, undefined, this.proxies));
    return this.peers.get(socket);
  }
}

function refuse(waitMs: number, what: string): void {
  if (waitMs <= 0) return;
  const seconds = Math.ceil(waitMs / 1000);
  throw new ProblemFault('too-many', `Too many requests ${what}; try again in ${seconds} s.`, {
    retryAfterSeconds: seconds,
  });
}
