/** The simulator over real sockets: binds, answers, limits, faults. */
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { encodeHeaderOnly } from '../../src/smpp/pdu.ts';
import { type Smsc, type SmscOptions, startSmsc } from '../../src/smsc/server.ts';
import { Esme, submitFrame } from './esme.ts';

const running: Smsc[] = [];

async function start(options: Partial<SmscOptions> = {}): Promise<Smsc> {
  const smsc = await startSmsc({ accounts: [{ systemId: 'town', password: 'secret' }], ...options });
  running.push(smsc);
  return smsc;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((smsc) => smsc.stop()));
});

const range = (count: number, from = 2) => Array.from({ length: count }, (_, index) => from + index);

test('bind - the right account is let in, others are refused and closed', async () => {
  const smsc = await start();
  for (const [systemId, password, status] of [
    ['town', 'wrong', 0x0e],
    ['nobody', 'secret', 0x0f],
  ] as const) {
    const esme = new Esme(smsc.port);
    expect(await esme.bind('transceiver', systemId, password)).toMatchObject({ status });
    await esme.closed;
  }
  const esme = new Esme(smsc.port);
  expect(await esme.bind('transceiver')).toMatchObject({ status: 0, commandId: commandId.bind_transceiver_resp });
  expect(smsc.stats()).toMatchObject({ binds: 1, bindsAccepted: 1, bindsRefused: 2 });
});

test('bind - one more than bindsMax is refused until another has gone', async () => {
  const smsc = await start({ behaviour: { bindsMax: 2 } });
  const first = await Esme.bound(smsc.port);
  await Esme.bound(smsc.port);
  expect(await new Esme(smsc.port).bind('transceiver')).toMatchObject({ status: 0x05 });
  first.destroy();
  await smsc.waitFor(({ binds }) => binds === 1);
  expect(await new Esme(smsc.port).bind('transceiver')).toMatchObject({ status: 0 });
  expect(smsc.stats()).toMatchObject({ bindsPeak: 2, disconnects: 1 });
});

test('bind - refusals and refused connections can be switched on and off while it runs', async () => {
  const smsc = await start();
  smsc.setBehaviour({ bindStatus: 0x0d });
  expect(await new Esme(smsc.port).bind('transmitter')).toMatchObject({ status: 0x0d });
  smsc.setBehaviour({ bindStatus: 0, refuseConnections: true });
  await new Esme(smsc.port).closed;
  smsc.setBehaviour({ refuseConnections: false });
  expect(await new Esme(smsc.port).bind('transmitter')).toMatchObject({ status: 0 });
});

test('submit_sm - every one is answered once, in order, with an id of its own', async () => {
  const smsc = await start({ behaviour: { receiptMix: {} } });
  const esme = await Esme.bound(smsc.port);
  const sequences = range(5000);
  esme.write(...sequences.map((sequence) => submitFrame(sequence)));
  await esme.until(() => esme.answers.length === sequences.length);
  expect(esme.answers.map(({ sequence }) => sequence)).toEqual(sequences);
  expect(new Set(esme.answers.map(({ messageId }) => messageId)).size).toBe(sequences.length);
  expect(smsc.stats()).toMatchObject({ received: 5000, accepted: 5000 });
});

test('submit_sm - is refused before a bind, on a receiver, without a destination, and when unreadable', async () => {
  const smsc = await start();
  const unbound = new Esme(smsc.port);
  unbound.write(submitFrame(7));
  await unbound.until(() => unbound.answers.length === 1);
  const receiver = await Esme.bound(smsc.port, 'receiver');
  receiver.write(submitFrame(7));
  await receiver.until(() => receiver.answers.length === 1);
  const esme = await Esme.bound(smsc.port);
  const cut = submitFrame(9).subarray(0, 40);
  cut.writeUInt32BE(40);
  esme.write(submitFrame(8, { destination: '' }), cut);
  await esme.until(() => esme.answers.length === 2);
  const statuses = [unbound, receiver, esme].flatMap(({ answers }) => answers.map(({ status }) => status));
  expect(statuses).toEqual([0x04, 0x04, 0x0b, 0x02]);
});

test('other PDUs - enquire_link and unbind are answered, unknown commands nacked, responses passed over', async () => {
  const smsc = await start();
  const esme = await Esme.bound(smsc.port);
  esme.write(
    encodeHeaderOnly(commandId.enquire_link, 0, 11),
    encodeHeaderOnly(0x00000777, 0, 12),
    encodeHeaderOnly(commandId.submit_sm_resp, 0, 13),
    encodeHeaderOnly(commandId.unbind, 0, 14),
  );
  await esme.closed;
  expect(esme.received.slice(1).map((pdu) => [pdu.commandId, pdu.status, pdu.sequence])).toEqual([
    [commandId.enquire_link_resp, 0, 11],
    [commandId.generic_nack, 0x03, 12],
    [commandId.unbind_resp, 0, 14],
  ]);
  expect(await smsc.waitFor(({ binds }) => binds === 0)).toMatchObject({ disconnects: 0, protocolErrors: 1 });
});

test('other PDUs - bytes that are no SMPP end the connection', async () => {
  const smsc = await start();
  const socket = connect(smsc.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\n\r\n');
  socket.resume();
  await new Promise((resolve) => socket.on('close', resolve));
  expect(smsc.stats().protocolErrors).toBe(1);
});

test('other PDUs - its own enquire_link counts the answers', async () => {
  const smsc = await start();
  const esme = await Esme.bound(smsc.port);
  smsc.enquireAll();
  await esme.until(() => esme.of(commandId.enquire_link).length === 1);
  esme.write(encodeHeaderOnly(commandId.enquire_link_resp, 0, 1));
  await smsc.waitFor(({ enquiriesAnswered }) => enquiriesAnswered === 1);
});

test('rate - what exceeds it in one second is throttled, over all binds together', async () => {
  // Time stands still: only counts decide.
  const clock = { nowMs: () => 1e12, monotonicMs: () => 5000, after: () => () => undefined };
  const smsc = await start({ behaviour: { ratePerSecond: 30 }, clock });
  const binds = await Promise.all([Esme.bound(smsc.port), Esme.bound(smsc.port)]);
  for (const esme of binds) {
    esme.write(...range(25).map((sequence) => submitFrame(sequence)));
    await esme.until(() => esme.answers.length === 25);
  }
  const statuses = binds.flatMap(({ answers }) => answers.map(({ status }) => status));
  expect(statuses.filter((status) => status === 0)).toHaveLength(30);
  expect(statuses.filter((status) => status === 0x58)).toHaveLength(20);
  expect(smsc.stats()).toMatchObject({ throttled: 20, perSecondPeak: 50, answers: { '0x00000058': 20 } });
});

test('window - what exceeds it is refused, and the peak is known', async () => {
  const smsc = await start({ behaviour: { windowMax: 10, latencyMs: 20 } });
  const esme = await Esme.bound(smsc.port);
  esme.write(...range(15).map((sequence) => submitFrame(sequence)));
  await esme.until(() => esme.answers.length === 15);
  const statuses = esme.answers.map(({ status }) => status);
  expect(statuses).toEqual([...Array(10).fill(0), ...Array(5).fill(0x14)]);
  expect(smsc.stats().windowPeak).toBe(15);
  esme.write(...range(10, 100).map((sequence) => submitFrame(sequence)));
  await esme.until(() => esme.answers.length === 25);
  expect(esme.answers.slice(15).every(({ status }) => status === 0)).toBe(true);
});

test('errors - the same seed gives the same answers', async () => {
  const behaviour = { errors: { '0x0b': 0.2, '0x58': 0.1 }, silence: 0.1, receiptMix: {} };
  const runs = [];
  for (const seed of [7, 7, 8]) {
    const smsc = await start({ behaviour, seed });
    const esme = await Esme.bound(smsc.port);
    esme.write(...range(1000).map((sequence) => submitFrame(sequence)));
    const { unanswered } = await smsc.waitFor(({ received }) => received === 1000);
    await esme.until(() => esme.answers.length === 1000 - unanswered);
    runs.push(esme.answers.map(({ sequence, status }) => [sequence, status]));
    const { throttled, answers } = smsc.stats();
    for (const [count, expected] of [
      [unanswered, 100],
      [throttled, 100],
      [answers['0x0000000b'] ?? 0, 200],
    ] as const) {
      expect(Math.abs(count - expected)).toBeLessThan(60);
    }
  }
  expect(runs[1]).toEqual(runs[0]);
  expect(runs[2]).not.toEqual(runs[0]);
});

test('unresponsive - it reads everything and answers nothing', async () => {
  const smsc = await start();
  const esme = await Esme.bound(smsc.port);
  smsc.setBehaviour({ unresponsive: true });
  esme.write(submitFrame(5), encodeHeaderOnly(commandId.enquire_link, 0, 6));
  await smsc.waitFor(({ unanswered }) => unanswered === 1);
  smsc.setBehaviour({ unresponsive: false });
  esme.write(encodeHeaderOnly(commandId.enquire_link, 0, 7));
  await esme.until(() => esme.of(commandId.enquire_link_resp).length > 0);
  expect(esme.of(commandId.enquire_link_resp).map(({ sequence }) => sequence)).toEqual([7]);
  expect(esme.answers).toEqual([]);
});

test('disconnectEvery - the connection breaks before that answer, with the earlier ones given', async () => {
  const smsc = await start({ behaviour: { disconnectEvery: 4 } });
  const esme = await Esme.bound(smsc.port);
  esme.write(...range(10).map((sequence) => submitFrame(sequence)));
  await esme.closed;
  expect(esme.answers.map(({ sequence }) => sequence)).toEqual([2, 3, 4]);
  expect(smsc.stats()).toMatchObject({ received: 4, accepted: 3, unanswered: 1 });
});

test('disconnectAll and stop - connections break, ports are free again', async () => {
  const smsc = await start({ httpPort: 0 });
  const esme = await Esme.bound(smsc.port);
  smsc.disconnectAll();
  await esme.closed;
  const second = await Esme.bound(smsc.port);
  await smsc.stop();
  await smsc.stop();
  await second.closed;
  const again = await start({ port: smsc.port, httpPort: smsc.httpPort ?? 0 });
  expect(again.port).toBe(smsc.port);
  await expect(startSmsc({ accounts: [], port: again.port })).rejects.toMatchObject({ code: 'start' });
});

test('broadcast - any bytes reach every connection', async () => {
  const smsc = await start();
  const esme = await Esme.bound(smsc.port);
  smsc.broadcast(encodeHeaderOnly(commandId.alert_notification, 0, 99));
  await esme.until(() => esme.of(commandId.alert_notification).length === 1);
});

test('back-pressure - a peer that stops reading for a while still gets every answer', async () => {
  const smsc = await start({ behaviour: { receiptMix: {} } });
  const esme = await Esme.bound(smsc.port);
  esme.pause();
  // More answers than socket buffers and the simulator's own limit hold.
  const sequences = range(300_000);
  esme.write(Buffer.concat(sequences.map((sequence) => submitFrame(sequence))));
  await smsc.waitFor(({ received }) => received > 50_000);
  esme.resume();
  await esme.until(() => esme.received.length === 1 + sequences.length);
  expect(esme.received.slice(1).map(({ sequence }) => sequence)).toEqual(sequences);
});

test('behaviour - wrong settings are refused with their names', async () => {
  const smsc = await start();
  const wrong = { ratePerSecond: -1, silence: 2, colour: 'red' } as object;
  expect(() => smsc.setBehaviour(wrong)).toThrow(/ratePerSecond.*silence.*colour/s);
  await expect(start({ behaviour: { receiptMix: { delivered: 0.9, expired: 0.2 } } })).rejects.toMatchObject({
    code: 'input',
  });
});

test('control - counts and changes over HTTP', async () => {
  const smsc = await start({ httpPort: 0 });
  const url = `http://127.0.0.1:${smsc.httpPort}`;
  const post = (path: string, body: string) => fetch(`${url}${path}`, { method: 'POST', body });
  const esme = await Esme.bound(smsc.port);
  expect(await (await fetch(`${url}/stats`)).json()).toMatchObject({ binds: 1, received: 0 });
  expect(await (await post('/behaviour', '{"latencyMs": 5}')).json()).toMatchObject({ latencyMs: 5 });
  expect(smsc.behaviour().latencyMs).toBe(5);
  for (const body of ['{"latencyMs": "soon"}', '[]', '{']) expect((await post('/behaviour', body)).status).toBe(400);
  expect((await post('/behaviour', ' '.repeat(70_000))).status).toBe(413);
  expect((await fetch(`${url}/nothing`)).status).toBe(404);
  await post('/disconnect', '');
  await esme.closed;
});
