/** The simulator as a process: ready line, flags, clear errors, several carriers, a clean end. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Esme, submitFrame } from './esme.ts';

const folder = mkdtempSync(join(tmpdir(), 'smsc-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const script = join(import.meta.dirname, '..', '..', 'dist', 'cluster', 'smsc.js');

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

/** Runs the command; `whenReady` gets its first line of output and returns when the process may be ended. */
async function run(flags: string[], whenReady?: (line: string) => Promise<void>): Promise<Ended> {
  const child = spawn(process.execPath, [script, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, out, err }));
  });
  const ready = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (out.includes('\n')) resolve();
    });
    child.on('close', () => resolve());
  });
  await ready;
  if (whenReady !== undefined && out !== '') {
    await whenReady(out.slice(0, out.indexOf('\n')));
    child.kill('SIGTERM');
  }
  return ended;
}

test('command - one JSON line says where it listens, its flags are its behaviour, SIGTERM ends it with 0', async () => {
  const flags = ['--port=0', '--http=0', '--system-id=town', '--password=secret', '--account=city:hall:1', '--rate=9'];
  const more = ['--mix=delivered=0.9,expired=0.1', '--throttle=0.5', '--error=0x0b=0.25', '--receipt-other-bind'];
  const ended = await run([...flags, ...more, '--id=hexadecimal', '--latency-ms=3'], async (line) => {
    const ready = JSON.parse(line) as { ready: boolean; port: number; httpPort: number };
    expect(ready.ready).toBe(true);
    const behaviour = await (await fetch(`http://127.0.0.1:${ready.httpPort}/behaviour`)).json();
    expect(behaviour).toMatchObject({
      ratePerSecond: 9,
      receiptMix: { delivered: 0.9, expired: 0.1 },
      errors: { '0x58': 0.5, '0x0b': 0.25 },
      receiptOtherBind: true,
      messageIds: 'hexadecimal',
      latencyMs: 3,
    });
    for (const [systemId, password] of [
      ['town', 'secret'],
      ['city', 'hall:1'],
    ] as const) {
      expect(await new Esme(ready.port).bind('transceiver', systemId, password)).toMatchObject({ status: 0 });
    }
  });
  expect(ended).toMatchObject({ code: 0, err: '' });
});

test('command - a file starts several carriers in one process', async () => {
  const file = join(folder, 'carriers.json');
  const account = { systemId: 'town', password: 'secret' };
  const log = join(folder, 'second.log');
  writeFileSync(
    file,
    JSON.stringify([
      { accounts: [account], port: 0, behaviour: { silence: 1 } },
      { accounts: [account], port: 0, log },
    ]),
  );
  const ended = await run(['--carriers', file], async (line) => {
    const { servers } = JSON.parse(line) as { servers: { port: number }[] };
    expect(servers).toHaveLength(2);
    const esme = await Esme.bound(servers[1]?.port ?? 0);
    esme.write(submitFrame(2));
    await esme.until(() => esme.answers.length === 1);
  });
  expect(ended.code).toBe(0);
});

test.each([
  [['--rate', 'fast'], '--rate: must be a whole number'],
  [['--silence', '2'], '--silence: must be a number from 0 to 1'],
  [['--mix', 'happy=1'], '--mix: has "happy"'],
  [['--mix', 'delivered'], '--mix wants NAME=SHARE'],
  [['--error', '0x0b=1.5'], '--error: at "0x0b"'],
  [['--port', '70000'], '--port must be a whole number from 0 to 65535'],
  [['--id', 'hex'], '--id: must be one of as-is'],
  [['--colour', 'red'], "Unknown option '--colour'"],
  [['--account', 'town'], '--account wants ID:PASSWORD'],
  [['--tls-key', 'x'], '--tls-key and --tls-cert go together'],
  [['--carriers', '/nowhere/at/all'], 'cannot be read'],
  [['--carriers', 'x', '--rate', '5'], '--carriers stands alone'],
])('command - %j is refused with one clear line', async (flags, message) => {
  const ended = await run(flags);
  expect(ended).toMatchObject({ code: 2, out: '' });
  expect(ended.err.split('\n')[0]).toContain(message);
  expect(ended.err).not.toContain('    at ');
});

test('command - a port that is taken ends it with 1 and says so', async () => {
  await run(['--port=0'], async (line) => {
    const { port } = JSON.parse(line) as { port: number };
    const ended = await run([`--port=${port}`]);
    expect(ended).toMatchObject({ code: 1, out: '' });
    expect(ended.err).toContain(`port ${port} of 127.0.0.1 cannot be listened on`);
  });
});

test('command - help lists every flag', async () => {
  const { code, out } = await run(['--help']);
  expect(code).toBe(0);
  for (const flag of ['--port', '--carriers', '--receipt-first', '--disconnect-every']) expect(out).toContain(flag);
});
