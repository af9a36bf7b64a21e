/** Kinds of connections to a simulated carrier: TLS with a certificate that was agreed on, and pairs of binds. */
import { X509Certificate } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { TlsSettings } from '../../src/carrier/tls.ts';
import { commandStatus } from '../../src/smpp/command-status.ts';
import { readReceipt } from '../../src/smpp/receipt.ts';
import { type Smsc, type SmscOptions, startSmsc } from '../../src/smsc/server.ts';
import { silentLog } from '../../src/telemetry.ts';
import { selfSigned } from '../smsc/certificate.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Bound, bindSettings } from './bound.ts';

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function smscWith(options: Partial<SmscOptions> = {}): Promise<Smsc> {
  const smsc = await startSmsc({ accounts: [{ systemId: 'tocsin', password: 'secret' }], ...options });
  ends.push(() => smsc.stop());
  return smsc;
}

function bindTo(port: number, changes: Parameters<typeof bindSettings>[1], log = silentLog): Bound {
  const bound = new Bound(bindSettings(port, changes), undefined, log);
  ends.push(() => bound.bind.abandon());
  return bound;
}

function folder(): string {
  const path = temporaryFolder();
  ends.push(() => removeFolder(path));
  return path;
}

function fileWith(text: string): string {
  const path = join(folder(), 'authority.pem');
  writeFileSync(path, text);
  return path;
}

test.each([
  ['by its address', '127.0.0.1', undefined],
  ['by its name', 'localhost', undefined],
  ['by a name of the certificate', '127.0.0.1', 'localhost'],
])('TLS - the carrier is bound to %s, when its certificate is the agreed one', async (_how, host, serverName) => {
  const warnings: string[] = [];
  const onWarning = (warning: Error) => warnings.push(warning.message);
  process.on('warning', onWarning);
  const tls = selfSigned(Date.now());
  const smsc = await smscWith({ tls });
  const bound = bindTo(smsc.port, { host, tls: { caFile: fileWith(tls.cert), serverName } });
  await bound.untilBound();
  bound.submit(20);
  await bound.untilAllEnded();
  expect(new Set(bound.outcomes)).toEqual(new Set([0]));
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

test.each([
  ['another certificate', () => ({ caFile: fileWith(selfSigned(Date.now()).cert) })],
  ['a certificate of nobody known', () => ({})],
  [
    'a file that is no certificate',
    () => ({ caFile: fileWith('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n') }),
  ],
  ['a file that is not there', () => ({ caFile: join(folder(), 'none.pem') })],
])('TLS - with %s nothing is bound, the reason is logged, and it is tried again', async (_what, tlsOf) => {
  const causes: unknown[] = [];
  const log = {
    ...silentLog,
    with: () => log,
    warn: (_event: string, _fields: object = {}, cause?: unknown) => void causes.push(cause),
  };
  const tls = selfSigned(Date.now());
  const smsc = await smscWith({ tls });
  const clock = new HandClock();
  const bound = new Bound(bindSettings(smsc.port, { tls: tlsOf() }), clock, log);
  ends.push(() => bound.bind.abandon());
  while (causes.length < 3) {
    await clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(causes.every((cause) => cause instanceof Error)).toBe(true);
  expect(bound.bounds).toBe(0);
  expect(smsc.stats().bindsAccepted + smsc.stats().bindsRefused).toBe(0);
});

const sha256Of = (cert: string) => new X509Certificate(cert).fingerprint256;

test('TLS - a pinned certificate is taken, however its fingerprint is spelt; another is not', async () => {
  const tls = selfSigned(Date.now());
  const smsc = await smscWith({ tls });
  const caFile = fileWith(tls.cert);
  for (const fingerprint of [sha256Of(tls.cert), sha256Of(tls.cert).replaceAll(':', '').toLowerCase()])
    await bindTo(smsc.port, { tls: { caFile, fingerprint } }).untilBound();
  const other = sha256Of(selfSigned(Date.now()).cert);
  const refused = await refusalOf(smsc.port, { caFile, fingerprint: other });
  expect(refused.message).toContain('fingerprint');
  expect(smsc.stats().bindsAccepted + smsc.stats().bindsRefused).toBe(2);
});

test('TLS - a pinned fingerprint does not stand in for a trusted authority', async () => {
  const tls = selfSigned(Date.now());
  const smsc = await smscWith({ tls });
  await refusalOf(smsc.port, { fingerprint: sha256Of(tls.cert) });
  expect(smsc.stats().bindsAccepted).toBe(0);
});

test('TLS - a carrier that asks for our certificate gets it; without it nothing is bound', async () => {
  const [tls, ours] = [selfSigned(Date.now()), selfSigned(Date.now())];
  const smsc = await smscWith({ tls: { ...tls, clientCa: ours.cert } });
  const caFile = fileWith(tls.cert);
  await refusalOf(smsc.port, { caFile });
  expect(smsc.stats().bindsAccepted).toBe(0);
  await bindTo(smsc.port, { tls: { caFile, certFile: fileWith(ours.cert), keyFile: fileWith(ours.key) } }).untilBound();
});

/** What a bind failed with, once. */
async function refusalOf(port: number, tls: TlsSettings): Promise<Error> {
  return await new Promise((resolve) => {
    const log = {
      ...silentLog,
      with: () => log,
      warn: (_event: string, _fields: object = {}, cause?: unknown) => {
        if (cause instanceof Error) resolve(cause);
      },
    };
    bindTo(port, { tls }, log);
  });
}

test('TLS - an authority file that comes later is enough', async () => {
  const tls = selfSigned(Date.now());
  const smsc = await smscWith({ tls });
  const caFile = join(folder(), 'authority.pem');
  const bound = bindTo(smsc.port, { tls: { caFile } });
  writeFileSync(caFile, tls.cert);
  await bound.untilBound();
  rmSync(caFile);
  smsc.disconnectAll();
  await smsc.waitFor((stats) => stats.binds === 0);
  writeFileSync(caFile, tls.cert);
  await bound.untilBound(2);
});

test('TLS - to a carrier that speaks clear text nothing secret is sent', async () => {
  const smsc = await smscWith();
  const tls = selfSigned(Date.now());
  const bound = bindTo(smsc.port, { tls: { caFile: fileWith(tls.cert) } });
  await smsc.waitFor((stats) => stats.protocolErrors >= 2);
  expect(bound.bounds).toBe(0);
  expect(smsc.stats().bindsAccepted + smsc.stats().bindsRefused).toBe(0);
});

test('pair - a transmitter submits, its receiver receives, both drain', async () => {
  const smsc = await smscWith({ behaviour: { receiptDelayMs: 1 } });
  const bound = bindTo(smsc.port, { bindType: 'transmitter-receiver' });
  await bound.until(() => bound.bounds >= 2);
  expect(smsc.stats().binds).toBe(2);
  bound.submit(30);
  await bound.until(() => bound.delivered.length >= 30);
  await bound.untilAllEnded();
  for (const { answer, sequence } of bound.delivered) answer([sequence], 0);
  await smsc.waitFor((stats) => stats.receiptsAnswered === 30);
  expect(bound.delivered.every(({ bytes }) => readReceipt(bytes, 0, bytes.length).kind === 'receipt')).toBe(true);
  await bound.bind.stop();
  await smsc.waitFor((stats) => stats.binds === 0);
  expect(smsc.stats()).toMatchObject({ disconnects: 0, bindsAccepted: 2 });
});

test('pair - either half comes back by itself, and there is never a third', async () => {
  const smsc = await smscWith({ behaviour: { bindsMax: 2 } });
  const bound = bindTo(smsc.port, { bindType: 'transmitter-receiver' });
  await bound.until(() => bound.bounds >= 2);
  smsc.disconnectAll();
  await bound.until(() => bound.bounds >= 4);
  bound.bind.rebind();
  await bound.until(() => bound.bounds >= 5);
  bound.submit(3);
  await bound.untilAllEnded();
  expect(bound.outcomes).toEqual([0, 0, 0]);
  expect(smsc.stats()).toMatchObject({ bindsPeak: 2, bindsRefused: 0 });
});

test.each([
  ['an account that is refused', { bindStatus: commandStatus.ESME_RINVPASWD }],
  ['no room for a bind', { bindStatus: commandStatus.ESME_RALYBND }],
  ['connections that are not taken', { refuseConnections: true }],
])('refusals - %s for a while only delays', async (_what, behaviour) => {
  const smsc = await smscWith({ behaviour });
  const bound = bindTo(smsc.port, {});
  if (!('refuseConnections' in behaviour)) await smsc.waitFor((stats) => stats.bindsRefused >= 3);
  smsc.setBehaviour({ bindStatus: 0, refuseConnections: false });
  await bound.untilBound();
  bound.submit(5);
  await bound.untilAllEnded();
  expect(bound.outcomes).toEqual([0, 0, 0, 0, 0]);
});

test('restart - a carrier that is gone for a while is found again on the same port', async () => {
  const first = await smscWith();
  const { port } = first;
  const bound = bindTo(port, {});
  await bound.untilBound();
  await first.stop();
  const second = await smscWith({ port });
  await bound.untilBound(2);
  bound.submit(5);
  await bound.untilAllEnded();
  expect(second.stats().accepted).toBe(5);
});
