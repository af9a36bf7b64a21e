/** The proxy of fault tests over real sockets: what it holds, breaks and lets through. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Proxy } from './proxy.ts';

let server: Server;
let proxy: Proxy;

beforeEach(async () => {
  server = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await Proxy.open((server.address() as AddressInfo).port);
});
afterEach(async () => {
  await proxy.close();
  server.close();
});

async function client(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

/** What comes back until there are so many octets. */
async function echoed(socket: Socket, bytes: number): Promise<string> {
  let text = '';
  while (text.length < bytes) text += String((await once(socket, 'data'))[0]);
  return text;
}

test('proxy - passes bytes both ways, whole and in pieces', async () => {
  const socket = await client();
  const text = 'abcdefghij'.repeat(1_000);
  socket.write(text);
  expect(await echoed(socket, text.length)).toBe(text);
  proxy.poison({ sliceBytes: 7, latencyMs: 2 });
  socket.write(text.slice(0, 500));
  expect(await echoed(socket, 500)).toBe(text.slice(0, 500));
});

test('proxy - a cable that was cut delivers what was sent once it is mended', async () => {
  const [cut, mended] = [await client(), proxy];
  proxy.blackhole();
  const back = echoed(cut, 4);
  cut.write('ping');
  let isBack = false;
  void back.then(() => (isBack = true));
  // A connection that is not cut is round trips ahead meanwhile.
  const other = connect((server.address() as AddressInfo).port, '127.0.0.1');
  for (let trip = 0; trip < 20; trip++) {
    other.write('x');
    await once(other, 'data');
  }
  other.destroy();
  expect(isBack).toBe(false);
  mended.heal();
  expect(await back).toBe('ping');
});

test('proxy - a tripwire holds the line at the bytes that it waits for', async () => {
  const socket = await client();
  const tripped = proxy.tripwire('commit', 'up', 2);
  socket.write('commit 1');
  expect(await echoed(socket, 8)).toBe('commit 1');
  socket.write('commit 2');
  const { release } = await tripped;
  const back = echoed(socket, 8);
  release();
  expect(await back).toBe('commit 2');
});

test('proxy - resets, refuses and slips bytes in', async () => {
  const socket = await client();
  socket.write('x');
  await echoed(socket, 1);
  const injected = echoed(socket, 3);
  proxy.inject(Buffer.from('hey'));
  expect(await injected).toBe('hey');
  const broken = once(socket, 'error');
  proxy.reset();
  expect(((await broken)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
  proxy.poison({ refuse: true });
  const refused = connect(proxy.port, '127.0.0.1');
  expect(((await once(refused, 'error'))[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
});
