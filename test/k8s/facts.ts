/** What the rules know of one rendered overlay: its resources, and the settings and carriers that they hold. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConfigMap, Secret } from 'kubernetes-types/core/v1.d.ts';
import type { CarrierSettings } from '../../config/carriers.ts';
import { describeCarriers, loadSettings } from '../../config/load.ts';
import type { Settings } from '../../config/schema.ts';
import { k8sFolder, ofKind, type Resource, type Workload, workloads } from './resources.ts';

/** See the head of this file. */
export type Facts = {
  readonly resources: readonly Resource[];
  readonly workloads: readonly Workload[];
  /** Variables that every process is given. */
  readonly environment: Readonly<Record<string, string>>;
  readonly settings: Settings;
  readonly carriers: readonly CarrierSettings[];
  /** Name of the carriers file in its ConfigMap. */
  readonly carriersFile: string;
  /** Version of the package. */
  readonly version: string;
  /** Keys of Secrets and ConfigMaps that k8s/README.md says must be provided, as `Kind/name/key`. */
  readonly provided: ReadonlySet<string>;
};

/** Reads the facts; a wrong setting or carriers file throws a `Fault` with every reason. */
export function factsOf(resources: readonly Resource[]): Facts {
  const environment = configMap(resources, 'settings');
  const [[carriersFile, text] = ['', '']] = Object.entries(configMap(resources, 'carriers'));
  const manifest = readFileSync(join(k8sFolder, '..', 'package.json'), 'utf8');
  return {
    resources,
    workloads: workloads(resources),
    environment,
    settings: loadSettings(environment),
    carriers: carriersOf(text),
    carriersFile,
    version: (JSON.parse(manifest) as { version: string }).version,
    provided: providedBy(readFileSync(join(k8sFolder, 'README.md'), 'utf8')),
  };
}

/** Entries of the ConfigMap that a generator made of `name`. */
function configMap(resources: readonly Resource[], name: string): Record<string, string> {
  const found = ofKind<ConfigMap>(resources, 'ConfigMap').find(
    ({ metadata }) => metadata.name.replace(/-[0-9a-z]{10}$/, '') === name,
  );
  return found?.data ?? {};
}

function carriersOf(text: string): readonly CarrierSettings[] {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-carriers-'));
  try {
    const file = join(folder, 'carriers.json');
    writeFileSync(file, text);
    return describeCarriers(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Rows of README's table of what must be provided: `| Secret | `name` | `key`, `key` | … |`. */
function providedBy(readme: string): Set<string> {
  const rows = readme.matchAll(/^\| (Secret|ConfigMap) \| `([\w-]+)` \| ([^|]+) \|/gm);
  return new Set(
    [...rows].flatMap(([, kind = '', name = '', keys = '']) =>
      [...keys.matchAll(/`([\w.-]+)`/g)].map(([, key = '']) => `${kind}/${name}/${key}`),
    ),
  );
}

/** Variables of a process, with the Secrets that are rendered, or else the text that `provide` gives. */
export function environmentOf(
  { resources, environment }: Facts,
  { containers: [container] }: Workload,
  provide: (secret: string, key: string) => string | undefined,
): Record<string, string> {
  const secretOf = (name: string, key: string) => {
    const secret = ofKind<Secret>(resources, 'Secret').find(({ metadata }) => metadata.name === name);
    return secret === undefined ? provide(name, key) : Buffer.from(secret.data?.[key] ?? '', 'base64').toString();
  };
  const isShared = container?.envFrom?.some(({ configMapRef: map }) => map?.name?.startsWith('settings-'));
  const own = (container?.env ?? []).map(({ name, value, valueFrom }) => {
    const { name: secret = '', key = '' } = valueFrom?.secretKeyRef ?? {};
    return [name, value ?? secretOf(secret, key) ?? ''] as const;
  });
  return { ...(isShared === true ? environment : {}), ...Object.fromEntries(own) };
}
