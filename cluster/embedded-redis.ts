/**
 * An embedded Redis or Valkey for development, tests and the demonstration: own folder, append-only file
 * written every second, loopback only. Any process that starts one, main thread.
 */
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { privateFolder, serverUser } from './embedded-folder.ts';
import { onPort } from './embedded-port.ts';
import { type EmbeddedServer, launchServer } from './embedded-process.ts';
import { findRedis, redisEnvironment } from './embedded-redis-package.ts';

/** How to start Redis. */
export type RedisOptions = {
  /** Its private folder; made when missing, its data found again when not. */
  readonly directory: string;
  /** 0 or absent: a free one. */
  readonly port?: number;
  /** Where an unpacked server is kept; `redis-programs` beside `directory` by default. */
  readonly cache?: string;
  /** Folders to look for programs in; PATH by default. */
  readonly searchPath?: string;
  /** Number of logical databases; 16 by default. */
  readonly databases?: number;
  /** Writes nothing to disk. Tests only. */
  readonly fast?: boolean;
  /** Further settings of its configuration. Tests and benches only. */
  readonly settings?: Readonly<Record<string, string | number>>;
};

const answerMsMax = 1_000;

/** True when the server at `port` answers PING, or asks who is there: not while it still reads its data back. */
function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (isReady: boolean) => {
      socket.destroy();
      resolve(isReady);
    };
    socket.setTimeout(answerMsMax, () => settle(false));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (data) => settle(/^(?:\+PONG|-NOAUTH)/.test(data.toString('latin1'))));
  });
}

function redisArguments(directory: string, port: number, options: RedisOptions): string[] {
  const settings: Record<string, string | number> = {
    port,
    bind: '127.0.0.1',
    'protected-mode': 'yes',
    dir: directory,
    databases: options.databases ?? 16,
    daemonize: 'no',
    appendonly: options.fast ? 'no' : 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    // Its command line, by which it is known again, is not to be replaced by a title.
    'set-proc-title': 'no',
    ...options.settings,
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/**
 * Starts Redis in `directory` and resolves when it answers. Faults: `start` (port taken, folder in use or
 * not writable, no server to be had: the message then says what to install).
 */
export async function startRedis(options: RedisOptions): Promise<EmbeddedServer> {
  const user = serverUser(options.directory);
  const directory = privateFolder(options.directory, user);
  const cache = privateFolder(options.cache ?? join(dirname(options.directory), 'redis-programs'), user);
  const program = await findRedis(cache, options.searchPath ?? process.env['PATH'] ?? '', user);
  return onPort('Redis', options.port ?? 0, (port) =>
    launchServer({
      name: 'Redis',
      directory,
      command: program.command,
      args: redisArguments(directory, port, options),
      environment: redisEnvironment(program),
      user,
      port,
      prepare: async () => undefined,
      url: () => `redis://127.0.0.1:${port}`,
      ready: () => answersPing(port),
      stopSignal: 'SIGTERM',
    }),
  );
}
