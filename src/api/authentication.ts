/**
 * Who is asking. Turns `Authorization: Bearer …` into an organisation, or knows the platform's owner. API
 * process. What the database said of a key is believed for some seconds, so that a request costs no round trip
 * of its own; a revoked key works that long in other processes. Never keeps or logs a key, only its SHA-256.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import type { Clock } from '../clock.ts';
import type { Database } from '../db/client.ts';
import { authenticate, readOrganisation } from '../db/keys.ts';
import type { Scoped } from '../db/scope.ts';
import { scoped, unscoped } from '../db/scope.ts';
import type { Id } from '../handoff.ts';
import type { Country } from './phone.ts';
import { isCountry } from './phone.ts';
import type { Guard } from './guard.ts';
import { notFound, ProblemFault } from './problems.ts';
import { requestOf } from './request.ts';

/** An organisation that was recognised, and its way to the database. */
export type Tenant = {
  readonly organisation: Id;
  /** Where its national numbers belong. */
  readonly country: Country;
  readonly scoped: Scoped;
};

/** What routes of organisations find in their context. */
export type TenantEnv = { Variables: { tenant: Tenant } };

/** A new key: what its owner gets once, how a person recognises it, and what is kept. */
export type NewKey = { readonly key: string; readonly prefix: string; readonly hash: Buffer };

const keyPattern = /^Bearer (tocsin_[A-Za-z0-9_-]{43})$/u;
const prefixCharacters = 'tocsin_'.length + 6;

/** A fresh random key of 256 bits. */
export function newKey(): NewKey {
  const key = `tocsin_${randomBytes(32).toString('base64url')}`;
  return { key, prefix: key.slice(0, prefixCharacters), hash: sha256(key) };
}

function sha256(text: string): Buffer {
  return Buffer.from(hash('sha256', text, 'hex'), 'hex');
}

/** A key that was valid when it was last asked about, which is believed for a while. */
type Known = { readonly tenant: Tenant; readonly untilMs: number };

/** Recognises keys. One per process. */
export class Authentication {
  private readonly database: Database;
  private readonly clock: Clock;
  private readonly platformHash: Buffer;
  private readonly rememberMs: number;
  private readonly knownMax: number;
  private readonly guard: Guard;
  private readonly known = new Map<string, Known>();
  /** How often it was told to forget. */
  private forgotten = 0;

  constructor(
    options: { database: Database; clock: Clock; platformKey: string; guard: Guard },
    limits: { rememberMs: number; knownMax: number },
  ) {
    this.database = options.database;
    this.clock = options.clock;
    this.platformHash = sha256(options.platformKey);
    this.guard = options.guard;
    this.rememberMs = limits.rememberMs;
    this.knownMax = limits.knownMax;
  }

  /** Middleware of routes of organisations. The platform's key is no organisation's. */
  readonly tenant: MiddlewareHandler<TenantEnv> = async (c, next) => {
    const tenant = await this.tenantOf(c);
    if (tenant === undefined) throw this.unauthorised(c);
    c.set('tenant', tenant);
    // Whatever a key opens is for its holder alone, and much of it is about persons.
    requestOf(c).headers['cache-control'] = 'no-store';
    await next();
  };

  /** Middleware of the platform's routes. To an organisation they do not exist. */
  readonly platform: MiddlewareHandler = async (c, next) => {
    this.guard.beforePlatformTry(c);
    if (!this.isPlatform(c.req.header('authorization'))) {
      if ((await this.tenantOf(c)) !== undefined) throw notFound('route');
      throw this.unauthorised(c);
    }
    this.guard.platform(c);
    requestOf(c).headers['cache-control'] = 'no-store';
    await next();
  };

  /** Believes nothing any more, after a key was revoked here; which keys were valid counts on. */
  forget(): void {
    this.forgotten += 1;
    for (const [name, { tenant }] of this.known) this.known.set(name, { tenant, untilMs: Number.NEGATIVE_INFINITY });
  }

  private isPlatform(header: string | undefined): boolean {
    return header?.startsWith('Bearer ') === true && timingSafeEqual(sha256(header.slice(7)), this.platformHash);
  }

  private async tenantOf(c: Context): Promise<Tenant | undefined> {
    const header = c.req.header('authorization');
    const key = header === undefined ? undefined : keyPattern.exec(header)?.[1];
    if (key === undefined) return undefined;
    const name = hash('sha256', key, 'hex');
    const nowMs = this.clock.monotonicMs();
    const known = this.known.get(name);
    const isKnown = known !== undefined && known.untilMs > nowMs;
    if (isKnown) this.guard.known(name);
    if (isKnown) return known.tenant;
    // A key that was valid before is asked about anew whoever guesses at this address. Nobody guesses one of 256 bits:
    // only what unknown ones cost is bounded.
    if (known === undefined) this.guard.beforeTry(c);
    const { forgotten } = this;
    const tenant = await this.ask(Buffer.from(name, 'hex'));
    this.known.delete(name);
    if (tenant === undefined) return undefined;
    // Where a key was revoked meanwhile it may be this one.
    const believedMs = forgotten === this.forgotten ? this.rememberMs : 0;
    this.remember(name, { tenant, untilMs: nowMs + believedMs });
    this.guard.known(name);
    return tenant;
  }

  private unauthorised(c: Context): ProblemFault {
    this.guard.failed(c);
    return new ProblemFault('unauthorised', 'Send a valid key as "Authorization: Bearer tocsin_…".');
  }

  private async ask(keyHash: Buffer): Promise<Tenant | undefined> {
    const organisation = await authenticate(unscoped(this.database), keyHash);
    if (organisation === undefined) return undefined;
    const scope = scoped(this.database, { organisation });
    const country = (await readOrganisation(scope.run, organisation))?.country ?? 'FR';
    return { organisation, country: isCountry(country) ? country : 'FR', scoped: scope };
  }

  /** Keys are kept in order of asking, so that the first is the oldest. */
  private remember(name: string, known: Known): void {
    const oldest = this.known.size >= this.knownMax ? this.known.keys().next().value : undefined;
    if (oldest !== undefined) this.known.delete(oldest);
    this.known.set(name, known);
  }
}
