/** The simulator's log, which judges fault tests: complete, ordered, exact, and read back in every form of SMS. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { type LoggedEvent, type LoggedMessage, readEvents, readLog, readMessages } from '../../src/smsc/log-reader.ts';
import { type Smsc, type SmscOptions, startSmsc } from '../../src/smsc/server.ts';
import { writeGsm } from '../../src/text/gsm7.ts';
import { Esme, submitFrame } from './esme.ts';

const running: Smsc[] = [];
const folder = mkdtempSync(join(tmpdir(), 'smsc-log-'));
let logs = 0;

async function start(options: Partial<SmscOptions> = {}): Promise<{ smsc: Smsc; log: string }> {
  logs += 1;
  const log = join(folder, `${logs}.log`);
  const smsc = await startSmsc({ accounts: [{ systemId: 'town', password: 'secret' }], log, ...options });
  running.push(smsc);
  return { smsc, log };
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((smsc) => smsc.stop()));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const range = (count: number, from = 2) => Array.from({ length: count }, (_, index) => from + index);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function gsm(text: string): Buffer {
  const buffer = Buffer.alloc(2 * text.length);
  return buffer.subarray(0, writeGsm(text, buffer, 0));
}

const ucs2 = (text: string) => Buffer.from(text, 'utf16le').swap16();

test('log - its times follow a wall clock that is corrected while it runs, and never go back', async () => {
  const clock = { wallMs: 1_700_000_000_000, sinceMs: 5_000 };
  const { smsc, log } = await start({
    clock: {
      ...systemClock,
      nowMs: () => Math.trunc(clock.wallMs),
      monotonicMs: () => clock.sinceMs,
    },
  });
  const esme = await Esme.bound(smsc.port);
  const wallMs: number[] = [];
  for (const [sequence, stepMs] of [0, 40, 0, -30, 0].entries()) {
    clock.sinceMs += 100;
    clock.wallMs += 100 + stepMs;
    wallMs.push(clock.wallMs);
    esme.write(submitFrame(sequence + 2));
    await esme.until(() => esme.answers.length === sequence + 1);
  }
  const times = (await all(readLog(log))).map(({ atMicros }) => atMicros / 1000);
  for (const [index, atMs] of times.entries()) expect(Math.abs(atMs - (wallMs[index] ?? 0))).toBeLessThanOrEqual(1);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

test('log - every segment is there, in order, with what was answered, before its answer arrives', async () => {
  const errors = { '0x58': 0.3 };
  const { smsc, log } = await start({ behaviour: { errors, silence: 0.1 } });
  const esme = await Esme.bound(smsc.port);
  const frames = range(2000).map((sequence) => submitFrame(sequence, { destination: `3370090${sequence + 1000}` }));
  esme.write(...frames);
  const { unanswered } = await smsc.waitFor(({ received }) => received === 2000);
  const segments = await all(readLog(log));
  expect(segments.map(({ raw }) => raw.toString('hex'))).toEqual(frames.map((frame) => frame.toString('hex')));
  expect(segments.filter(({ answered }) => !answered)).toHaveLength(unanswered);
  await esme.until(() => esme.answers.length === 2000 - unanswered);
  const logged = segments
    .filter(({ answered }) => answered)
    .map(({ sequence, status, messageId }) => ({ sequence, status, messageId }));
  expect(logged).toEqual(esme.answers);
  const times = segments.map(({ atMicros }) => atMicros);
  expect(times).toEqual([...times].sort((one, other) => one - other));
  expect(Math.abs((times[0] ?? 0) / 1000 - Date.now())).toBeLessThan(60_000);
});

test('log - at every answer its segment is already in the file', async () => {
  const { smsc, log } = await start();
  const esme = await Esme.bound(smsc.port);
  for (const sequence of range(50)) {
    esme.write(submitFrame(sequence));
    await esme.until(() => esme.answers.length === sequence - 1);
    expect((await all(readLog(log))).at(-1)).toMatchObject({ sequence });
  }
});

test('log - binds, their ends and answers to receipts are noted', async () => {
  const { smsc, log } = await start();
  const esme = await Esme.bound(smsc.port);
  esme.write(submitFrame(2));
  await smsc.waitFor(({ receiptsAnswered }) => receiptsAnswered === 1);
  esme.destroy();
  await smsc.waitFor(({ binds }) => binds === 0);
  const events = await all(readEvents(log));
  const short = (event: LoggedEvent) => ('messageId' in event ? [event.kind, event.messageId] : [event.kind]);
  const id = esme.answers[0]?.messageId ?? '';
  expect(events.map(short)).toEqual([['bind-opened'], ['segment', id], ['receipt-answer', id], ['bind-closed']]);
  expect(events[2]).toMatchObject({ status: 0, state: 2 });
});

test('log - texts and long messages are put together from every form', async () => {
  const { smsc, log } = await start();
  const esme = await Esme.bound(smsc.port);
  const udh8 = (part: number, body: Buffer) => Buffer.concat([Buffer.from([5, 0, 3, 77, 3, part]), body]);
  const udh16 = (part: number, body: Buffer) => Buffer.concat([Buffer.from([6, 8, 4, 0x12, 0x34, 2, part]), body]);
  const [empty, sar] = [Buffer.alloc(0), (part: number) => ({ sar: { reference: 9, total: 2, part } })];
  const port = Buffer.concat([Buffer.from([11, 5, 4, 0, 80, 0, 80, 0, 3, 5, 1, 1]), gsm('ports')]);
  esme.write(
    submitFrame(2, { shortMessage: gsm('Prix : 5 € [été]') }),
    submitFrame(3, { shortMessage: ucs2('Évacuez 🚨'), dataCoding: 8 }),
    submitFrame(4, { shortMessage: Buffer.from('déjà', 'latin1'), dataCoding: 3 }),
    submitFrame(5, { esmClass: 0x40, shortMessage: udh8(3, gsm('trois')) }),
    submitFrame(6, { esmClass: 0x40, shortMessage: udh8(1, gsm('un, ')) }),
    submitFrame(7, { esmClass: 0x40, shortMessage: udh8(1, gsm('un, ')) }),
    submitFrame(8, { esmClass: 0x40, shortMessage: udh8(2, gsm('deux, ')) }),
    submitFrame(9, { esmClass: 0x40, dataCoding: 8, shortMessage: udh16(1, ucs2('Ευ')) }),
    submitFrame(10, { esmClass: 0x40, dataCoding: 8, shortMessage: udh16(2, ucs2('ρώ')), destination: '33700900999' }),
    submitFrame(11, { esmClass: 0x40, dataCoding: 8, shortMessage: udh16(2, ucs2('ρώ')) }),
    submitFrame(12, { shortMessage: gsm('A'), tlvs: sar(1) }),
    submitFrame(13, { shortMessage: gsm('B'), tlvs: sar(2) }),
    submitFrame(14, { shortMessage: empty, tlvs: { messagePayload: gsm('x'.repeat(5000)) } }),
    submitFrame(15, { esmClass: 0x40, shortMessage: port }),
  );
  await smsc.waitFor(({ accepted }) => accepted === 14);
  const messages = await all(readMessages(log));
  const short = ({ text, reference, complete, segments, repeated }: LoggedMessage) => ({
    text,
    reference,
    complete,
    sequences: segments.map(({ sequence }) => sequence),
    repeated: repeated.map(({ sequence }) => sequence),
  });
  const one = (sequence: number, text: string) => ({
    text,
    reference: '',
    complete: true,
    sequences: [sequence],
    repeated: [],
  });
  expect(messages.map(short)).toEqual([
    one(2, 'Prix : 5 € [été]'),
    one(3, 'Évacuez 🚨'),
    one(4, 'déjà'),
    { text: 'un, deux, trois', reference: 'udh8:77', complete: true, sequences: [6, 8, 5], repeated: [7] },
    { text: 'Ευρώ', reference: 'udh16:4660', complete: true, sequences: [9, 11], repeated: [] },
    { text: 'AB', reference: 'sar:9', complete: true, sequences: [12, 13], repeated: [] },
    one(14, 'x'.repeat(5000)),
    { text: 'ports', reference: 'udh8:5', complete: true, sequences: [15], repeated: [] },
    { text: 'ρώ', reference: 'udh16:4660', complete: false, sequences: [10], repeated: [] },
  ]);
});

test('log - refused segments are in it but are no messages', async () => {
  const { smsc, log } = await start({ behaviour: { errors: { '0x58': 1 } } });
  const esme = await Esme.bound(smsc.port);
  esme.write(submitFrame(2));
  await smsc.waitFor(({ throttled }) => throttled === 1);
  smsc.setBehaviour({ errors: {} });
  esme.write(submitFrame(3));
  await smsc.waitFor(({ accepted }) => accepted === 1);
  expect((await all(readLog(log))).map(({ status }) => status)).toEqual([0x58, 0]);
  expect(await all(readMessages(log))).toHaveLength(1);
});

test('log - an entry cut off at its end is left out, and the next simulator goes on in its place', async () => {
  const { smsc, log } = await start();
  const first = await Esme.bound(smsc.port);
  first.write(submitFrame(2), submitFrame(3));
  await first.until(() => first.answers.length === 2);
  await smsc.stop();
  const whole = await all(readEvents(log));
  expect(whole.map(({ kind }) => kind)).toEqual(['bind-opened', 'segment', 'segment', 'bind-closed']);
  truncateSync(log, statSync(log).size - 1);
  expect(await all(readEvents(log))).toEqual(whole.slice(0, -1));
  const second = await start({ log });
  const esme = await Esme.bound(second.smsc.port);
  esme.write(submitFrame(4));
  await esme.until(() => esme.answers.length === 1);
  const events = await all(readEvents(log));
  expect(events.slice(0, 3)).toEqual(whole.slice(0, 3));
  expect(events.slice(3)).toMatchObject([{ kind: 'bind-opened' }, { kind: 'segment', sequence: 4 }]);
});

test('log - killing the simulator loses nothing that was answered', async () => {
  const log = join(folder, 'killed.log');
  const root = join(import.meta.dirname, '..', '..');
  const child = spawn(process.execPath, [join(root, 'dist/cluster/smsc.js'), '--port', '0', '--log', log], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString()));
    child.once('exit', (code) => reject(new Error(`the simulator ended with ${code}; is dist/ built?`)));
  });
  const { port } = JSON.parse(line) as { port: number };
  const esme = new Esme(port);
  await esme.bind('transceiver', 'tocsin', 'tocsin');
  esme.write(...range(20_000).map((sequence) => submitFrame(sequence)));
  await esme.until(() => esme.answers.length > 0);
  child.kill('SIGKILL');
  await esme.closed;
  const sequences = (await all(readLog(log))).map(({ sequence }) => sequence);
  const answered = esme.answers.map(({ sequence }) => sequence);
  expect(sequences.slice(0, answered.length)).toEqual(answered);
});
