/** What log lines say of errors: enough to find the cause, nothing that names a person. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const secret = '33639980042';

/** The lines that a process logs when `script` runs with a `log`. */
function logged(script: string): Record<string, never>[] {
  const telemetry = join(import.meta.dirname, '..', 'dist', 'src');
  const start = `import { createLog } from '${telemetry}/telemetry.js'; import { Fault } from '${telemetry}/fault.js';`;
  const { stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `${start} const log = createLog('test', 'debug');\n${script}`],
    { encoding: 'utf8' },
  );
  expect(stderr).not.toContain(secret);
  return stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, never>);
}

test('logs - an error has its type, code, message, stack and causes', () => {
  const [line] = logged(`
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    log.warn('it.failed', { carrier: 'north' }, new Fault('postgres', 'PostgreSQL cannot be used', { cause }));`);
  expect(line).toMatchObject({
    role: 'test',
    msg: 'it.failed',
    carrier: 'north',
    err: {
      type: 'Fault',
      code: 'postgres',
      message: 'PostgreSQL cannot be used',
      stack: expect.stringMatching(/^\s+at /),
      cause: { type: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
    },
  });
});

test.each([
  ['the arguments of a command', `Object.assign(new Error('OOM'), { command: { args: ['${secret}'] } })`],
  [
    'the row of a statement',
    `Object.assign(new Error('x'), { code: '42P01', detail: '(${secret})', where: '${secret}' })`,
  ],
  ['the value of a violated constraint', `Object.assign(new Error('Key ${secret}'), { code: '23505' })`],
  [
    'the value that is no number',
    `new Fault('postgres', 'm', { cause: Object.assign(new Error('"${secret}"'), { code: '22P02' }) })`,
  ],
  ['the arguments that Redis repeats', `new Error("ERR unknown command 'X', with args beginning with: '${secret}'")`],
  ['what was thrown and is no error', `'${secret}'`],
])('logs - an error does not tell %s', (_, error) => {
  const [line] = logged(`log.error('it.failed', {}, ${error});`);
  expect(line).toMatchObject({ msg: 'it.failed', err: { type: expect.any(String) } });
});
