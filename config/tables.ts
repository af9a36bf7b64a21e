/**
 * The tables of settings in README, from the schemas: `npm run tables` writes them between their markers, and a test
 * holds README to them. It writes the file of Redis's users too.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { carrierSchema } from './carriers.ts';
import { aclFile } from './redis-acl.ts';
import { environmentName, settingsSchema } from './schema.ts';

/** A property of a JSON Schema, as far as the tables show it. */
type Property = {
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  /** Of an object: shown behind it, as `object.field`. */
  readonly properties?: Readonly<Record<string, Property>>;
};

const markers = {
  settings: ['<!-- settings -->', '<!-- /settings -->'],
  carriers: ['<!-- carriers -->', '<!-- /carriers -->'],
} as const;

/** README with its tables renewed. */
export function withTables(readme: string): string {
  const settings = table('Variable', properties(settingsSchema), environmentName);
  const carriers = table('Field', properties(carrierSchema), (field) => field);
  return between(between(readme, markers.settings, settings), markers.carriers, carriers);
}

function properties(schema: z.ZodType): Record<string, Property> {
  return (z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }).properties ?? {}) as Record<string, Property>;
}

function table(heading: string, fields: Record<string, Property>, nameOf: (field: string) => string): string {
  const flat = Object.entries(fields).flatMap(([field, property]) => [
    [field, property] as const,
    ...Object.entries(property.properties ?? {}).map(([inner, of]) => [`${field}.${inner}`, of] as const),
  ]);
  const rows = flat.map(([field, property]) => {
    const value = property.default === undefined ? '' : `\`${JSON.stringify(property.default).replace(/^"|"$/g, '')}\``;
    const shown = value === '``' ? 'empty' : value;
    return `| \`${nameOf(field)}\` | ${shown} | ${bounds(property)} | ${property.description ?? ''} |`;
  });
  return [`| ${heading} | Default | Bounds | Meaning |`, '|---|---|---|---|', ...rows].join('\n');
}

function bounds({ enum: values, minimum, maximum }: Property): string {
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(' ');
  if (minimum === undefined || maximum === undefined) return '';
  return `${minimum.toLocaleString('en')} – ${maximum.toLocaleString('en')}`;
}

/** `text` with what stands between two markers replaced by `content`. */
export function between(text: string, [start, end]: readonly [string, string], content: string): string {
  const from = text.indexOf(start);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README lacks ${start} and ${end}`);
  return `${text.slice(0, from + start.length)}\n${content}\n${text.slice(to)}`;
}

if (process.argv[2] === '--write') {
  const readme = join(import.meta.dirname, '..', '..', 'README.md');
  writeFileSync(readme, withTables(readFileSync(readme, 'utf8')));
  writeFileSync(join(import.meta.dirname, '..', '..', 'k8s', 'redis-acl.conf'), aclFile());
}
