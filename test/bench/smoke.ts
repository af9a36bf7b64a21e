/** Runs a bench at its smallest size as `npm run bench` does, from dist/, and gives the object of its last line. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';

const main = join(import.meta.dirname, '..', '..', 'dist', 'bench', 'main.js');

/** The figures of `name`; fails when the bench does, with what it said. */
export async function smokeFigures(name: string, ...flags: readonly string[]): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, [main, name, '--smoke', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
}
