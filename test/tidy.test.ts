/**
 * The house style as a test: who may import whom, which package lives in which folder, what pure files
 * must not touch, sizes, names, and words that must not be in the repository.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { headerOf, importsOf, type Source, sourcesOf, undocumentedExports, withoutComments } from './support/source.ts';

const spine = [
  'src/handoff.ts',
  'src/account.ts',
  'src/fault.ts',
  'src/clock.ts',
  'src/service.ts',
  'src/telemetry.ts',
  'src/tracing.ts',
  'src/loop.ts',
  'src/wording.ts',
];

/** What each folder may import of ours, beside itself. `*` is everything. The most specific row holds. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  'src/handoff.ts': [],
  'src/account.ts': ['src/handoff.ts'],
  'src/fault.ts': [],
  'src/wording.ts': [],
  'src/clock.ts': [],
  'src/service.ts': [],
  'src/telemetry.ts': [],
  'src/tracing.ts': [],
  'src/loop.ts': ['src/clock.ts', 'src/telemetry.ts'],
  // The names of a recipient's fields.
  'src/text': ['src/handoff.ts'],
  // The types that a decoded receipt is handed on in.
  'src/smpp': ['src/handoff.ts'],
  'src/encode': [...spine, 'src/text', 'src/smpp'],
  'src/smsc': [...spine, 'src/text', 'src/smpp'],
  'src/stream': spine,
  'src/db': spine,
  'src/carrier': [...spine, 'src/smpp'],
  // Both run in the API process, and a request becomes a fact in one transaction: passing it in would hide the arrow.
  'src/api': [...spine, 'src/campaign', 'src/stream', 'src/db', 'src/text'],
  'src/campaign': [...spine, 'src/stream', 'src/db', 'src/text'],
  'src/plan': [...spine, 'src/stream', 'src/db'],
  // Never the database: sending goes on without it.
  'src/send': [...spine, 'src/stream', 'src/carrier', 'src/smpp'],
  'src/record': [...spine, 'src/stream', 'src/db', 'src/smpp'],
  'src/report': [...spine, 'src/db'],
  // How large batches are is the planner's rule.
  'src/size': [...spine, 'src/plan/capacity.ts'],
  'src/portal': [...spine, 'src/db'],
  'src/console': [],
  config: spine,
  cluster: ['src', 'config'],
  bench: ['*'],
  test: ['*'],
};

/** Arrows that the table forbids and a reason allows, as `from → to`. */
const excepted: Readonly<Record<string, string>> = {
  'config/schema.ts → src/stream/redis-url.ts': 'a wrong address stops the start, with every other fault at once',
};

/** Where a package may be imported by src/, cluster/ and config/: a folder, a file, or several. */
const owners: Readonly<Record<string, readonly string[]>> = {
  smpp: ['src/smpp'],
  ioredis: ['src/stream'],
  pg: ['src/db'],
  'drizzle-orm': ['src/db'],
  'pg-copy-streams': ['src/db'],
  hono: ['src/api', 'cluster/health.ts'],
  '@hono/node-server': ['src/api', 'cluster/health.ts'],
  '@hono/zod-openapi': ['src/api'],
  // The pool, and the thread's side of it, which moves its buffer.
  piscina: ['cluster/threads.ts', 'src/encode/thread.ts'],
  pino: ['src/telemetry.ts'],
  'prom-client': ['src/telemetry.ts'],
  '@opentelemetry/api': ['cluster/open-telemetry.ts'],
  '@opentelemetry/exporter-trace-otlp-http': ['cluster/open-telemetry.ts'],
  '@opentelemetry/resources': ['cluster/open-telemetry.ts'],
  '@opentelemetry/sdk-trace': ['cluster/open-telemetry.ts'],
  zod: ['config', 'src/api'],
  'csv-parse': ['src/api'],
  'libphonenumber-js': ['src/api'],
  undici: ['src/report', 'cluster/demo.ts'],
  vitest: ['config/vitest.config.ts'],
  'drizzle-kit': ['config/drizzle.config.ts'],
};

/** What a pure file may import from elsewhere: nothing that does I/O, waits, or tells the time. */
const purePackages = ['node:assert', 'node:assert/strict', 'node:buffer', 'smpp', 'libphonenumber-js'];

/** What a pure file may not even name. */
const impureWords = new RegExp(
  [
    /\b(Date\.now|new Date\(\)|performance\.|Math\.random|randomBytes)/,
    /\b(set(Timeout|Interval|Immediate)|process\.|fetch\()/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);

const sources = sourcesOf(['src', 'cluster', 'config', 'bench', 'test']);
const product = sources.filter(({ path }) => /^(src|cluster|config)\//.test(path));

const root = join(import.meta.dirname, '..');

/** Every file that is ours, whatever its kind; generated ones apart. */
const ours = readdirSync(root)
  .filter((name) => !/^(node_modules|dist|\.git|\.tocsin|package-lock\.json)$/.test(name))
  .flatMap((name) => {
    if (!statSync(join(root, name)).isDirectory()) return [name];
    return readdirSync(join(root, name), { recursive: true, encoding: 'utf8' }).map((inner) => join(name, inner));
  })
  .filter((path) => statSync(join(root, path)).isFile() && !path.includes(join('migrations', 'meta')));

/** Hosts that an address in our files may name: this machine, services of a cluster, examples, schemas. */
const knownHosts = [
  /\.svc$/,
  /^(127\.0\.0\.1|localhost|\[::1\])$/,
  /(^|\.)example(\.\w+)?$/,
  /\.(test|invalid)$/,
  /^(www\.w3\.org|json-schema\.org)$/,
];

/** Hosts named by the addresses of a line that are not known ones. */
function foreignHosts(line: string): string[] {
  const hosts = [...line.matchAll(/\bhttps?:\/\/(\[[^\]]*\]|[\w.-]+)/g)].map(([, host = '']) => host);
  return hosts.filter((host) => !knownHosts.some((known) => known.test(host)));
}

function isIn(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}/`);
}

/** The most specific row of the table of arrows that `path` lies in. */
function placeOf(path: string): string | undefined {
  return Object.keys(arrows)
    .filter((place) => isIn(path, place))
    .toSorted((a, b) => b.length - a.length)[0];
}

function forbiddenArrows(source: Source): string[] {
  const place = placeOf(source.path);
  if (place === undefined) return [`${source.path}: no row in the table of arrows`];
  const allowed = [place, ...(arrows[place] ?? [])];
  return importsOf(source)
    .filter(({ isOurs, target }) => isOurs && !allowed.includes('*') && !allowed.some((to) => isIn(target, to)))
    .map(({ target }) => `${source.path} → ${target}`)
    .filter((arrow) => excepted[arrow] === undefined);
}

function strayPackages(source: Source): string[] {
  return importsOf(source)
    .filter(({ isOurs, target }) => !isOurs && !target.startsWith('node:'))
    .filter(({ target }) => !(owners[target] ?? []).some((place) => isIn(source.path, place)))
    .map(({ target }) => `${source.path} → ${target}`);
}

function isPure({ path, text }: Source): boolean {
  return path.startsWith('src/') && /\bPure\./.test(headerOf(text) ?? '');
}

/** What makes a file that says "Pure." impure; `pure` are the paths of all that say so. */
function impurities(source: Source, pure: ReadonlySet<string>): string[] {
  const imported = importsOf(source)
    .filter(({ isType, isOurs, target }) => !isType && !(isOurs ? pure.has(target) : purePackages.includes(target)))
    .map(({ target }) => `imports ${target}`);
  const touched = withoutComments(source.text).match(impureWords);
  return [...imported, ...(touched ?? [])].map((what) => `${source.path}: ${what}`);
}

test('arrows - data and control go one way through the folders', () => {
  expect(sources.flatMap(forbiddenArrows)).toEqual([]);
});

test('arrows - every exception is still needed', () => {
  const taken = sources.flatMap((source) => importsOf(source).map(({ target }) => `${source.path} → ${target}`));
  expect(Object.keys(excepted).filter((arrow) => !taken.includes(arrow))).toEqual([]);
});

test('arrows - a stage that imports a stage is found, and a folder without a row', () => {
  const stage = { path: 'src/plan/x.ts', text: "import { a } from '../send/sender.ts';\n" };
  expect(forbiddenArrows(stage)).toEqual(['src/plan/x.ts → src/send/sender.ts']);
  expect(forbiddenArrows({ path: 'src/sender/x.ts', text: '' })).toHaveLength(1);
});

test('packages - each is imported from its one folder', () => {
  expect(product.flatMap(strayPackages)).toEqual([]);
});

test('packages - a stray import is found, however it is written', () => {
  const text =
    "import pg, {\n  type Pool,\n} from 'pg';\nexport * from 'ioredis';\nconst x = await import('hono/jsx');\n";
  expect(strayPackages({ path: 'src/send/x.ts', text })).toEqual([
    'src/send/x.ts → pg',
    'src/send/x.ts → ioredis',
    'src/send/x.ts → hono',
  ]);
});

test('pure files - import only pure files and touch no clock, chance or process', () => {
  const pure = new Set([...sources.filter(isPure).map(({ path }) => path), 'src/fault.ts']);
  expect(sources.filter(isPure).flatMap((source) => impurities(source, pure))).toEqual([]);
});

test('pure files - a clock, a socket and an impure file are found; types and comments are not', () => {
  const text = [
    "import { connect } from 'node:net';",
    "import { log } from '../telemetry.ts';",
    "import type { Log } from '../telemetry.ts';",
    '// Date.now() is for others',
    'export const at = () => Date.now();',
  ].join('\n');
  expect(impurities({ path: 'src/text/x.ts', text }, new Set())).toEqual([
    'src/text/x.ts: imports node:net',
    'src/text/x.ts: imports src/telemetry.ts',
    'src/text/x.ts: Date.now',
  ]);
});

test('process - environment, signals and exit are for cluster/ and config/ only', () => {
  const stray = sources
    .filter(({ path }) => path.startsWith('src/'))
    .filter(({ text }) => /\bprocess\.(env|exit|exitCode|on|once|kill|abort)\b/.test(withoutComments(text)));
  expect(stray.map(({ path }) => path)).toEqual([]);
});

test('size - a file has one subject (400 lines), a line 120 characters', () => {
  const tooLong = sources.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n');
    const wide = lines.flatMap((line, index) => (line.length > 120 ? [`${path}:${index + 1}`] : []));
    return lines.length > 400 ? [path, ...wide] : wide;
  });
  expect(tooLong).toEqual([]);
});

test('names - files are kebab-case nouns, none a drawer for odds and ends', () => {
  const named = sources.filter(({ path }) => !path.includes('/migrations/'));
  const badly = named.filter(({ path }) =>
    path.split('/').some((part) => {
      const name = part.replace(/(\.(test|prop|int|config|bench|contract|sim|d))*\.(tsx?|mjs)$/, '');
      return !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || /^(utils?|helpers?|common|managers?|misc|base)$/.test(name);
    }),
  );
  expect(badly.map(({ path }) => path)).toEqual([]);
});

test('comments - every file opens by saying what it is', () => {
  const silent = sources.filter(({ path, text }) => !path.endsWith('.d.ts') && headerOf(text) === undefined);
  expect(silent.map(({ path }) => path)).toEqual([]);
});

test('comments - every export of src/, cluster/ and config/ says what it is', () => {
  const silent = product
    .filter(({ path }) => !path.endsWith('.d.ts'))
    .flatMap(({ path, text }) => undocumentedExports(text).map((name) => `${path}: ${name}`));
  expect(silent).toEqual([]);
});

test('comments - an export without a comment is found, an overload is not', () => {
  const text = '/** Says. */\nexport const a = 1;\nexport type B = 1;\n/** Two. */\nexport function c(x: 1): 1;\n';
  expect(undocumentedExports(`${text}export function c(x: number): number {}\n`)).toEqual(['B']);
});

test('tests - none is left out or alone, and none sleeps', () => {
  // A wait for a time is no wait for a condition: it is too short on a busy machine and too long on others.
  const pattern = /\b(test|it|describe)\.(only|todo)\b|\bsetTimeout\(|'node:timers\/promises'/;
  const bad = sources.filter(({ path, text }) => path.endsWith('.test.ts') && pattern.test(withoutComments(text)));
  expect(bad.map(({ path }) => path)).toEqual([]);
});

test('words - nothing is left to do, no path of one machine, no foreign address', () => {
  // Written in halves so that this file does not find itself.
  const leftovers = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X\\b', '@ts-' + 'ignore'].join('|'));
  const machinePath = new RegExp(`(^|[\\s'"\`(=])/(${['home', 'Users', 'root', 'work', 'mnt'].join('|')})/\\w`);
  const found = ours.flatMap((path) => {
    const lines = readFileSync(join(root, path), 'utf8').split('\n');
    return lines.flatMap((line, index) => {
      const isBad = leftovers.test(line) || machinePath.test(line) || foreignHosts(line).length > 0;
      return isBad ? [`${path}:${index + 1}: ${line.trim().slice(0, 80)}`] : [];
    });
  });
  expect(found).toEqual([]);
});
