/**
 * A base backup of a running PostgreSQL by its low-level interface (documentation, "Continuous Archiving"), set up to
 * follow its origin: what pg_basebackup makes, which the embedded package does not have.
 */
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

/** What belongs to the running server, not to its data. */
const notCopied = ['running.json', 'server.log', join('data', 'postmaster.pid'), join('data', 'postmaster.opts')];

/** Copies the embedded server's folder `from` to `to`, whose server will be a hot standby of `url`. */
export async function copyRunning(url: string, from: string, to: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("select pg_backup_start('replica', true)");
  mkdirSync(to, { recursive: true, mode: 0o700 });
  const copied = spawnSync('cp', ['-a', `${realpathSync(from)}/.`, to], { encoding: 'utf8' });
  const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
  await client.end();
  if (copied.status !== 0) throw new Error(`the copy failed: ${copied.stderr}`);
  for (const name of notCopied) rmSync(join(to, name), { force: true });
  // Its log comes from the origin, from where the backup began.
  const logs = join(to, 'data', 'pg_wal');
  for (const name of readdirSync(logs)) if (/^[0-9A-F]{24}/.test(name)) rmSync(join(logs, name), { recursive: true });
  const { hostname, port, username, password } = new URL(url);
  const origin = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`;
  writeOwned(to, 'backup_label', rows[0]!.labelfile);
  writeOwned(to, 'postgresql.auto.conf', `primary_conninfo = '${origin}'\n`);
  writeOwned(to, 'standby.signal', '');
}

/** Servers of root run as another user, who owns their folder. */
function writeOwned(folder: string, name: string, text: string): void {
  const path = join(folder, 'data', name);
  if (existsSync(path)) rmSync(path);
  writeFileSync(path, text, { mode: 0o600 });
  const { uid, gid } = statSync(join(folder, 'data'));
  chownSync(path, uid, gid);
}
