/**
 * Resources against the types of the Kubernetes API: each becomes a typed literal, and the compiler says what is wrong,
 * unknown keys included. The API server that would say so is not there in tests.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Resource } from './resources.ts';

const root = join(import.meta.dirname, '..', '..');
const custom = join(root, 'test', 'k8s', 'custom-resources.ts');

const modules: Readonly<Record<string, string>> = {
  v1: 'core/v1',
  'apps/v1': 'apps/v1',
  'batch/v1': 'batch/v1',
  'autoscaling/v2': 'autoscaling/v2',
  'policy/v1': 'policy/v1',
  'networking.k8s.io/v1': 'networking/v1',
  'scheduling.k8s.io/v1': 'scheduling/v1',
};
const customVersions = ['keda.sh/v1alpha1', 'monitoring.coreos.com/v1'];

function typeOf({ apiVersion, kind }: Resource): string {
  if (customVersions.includes(apiVersion)) return `import(${JSON.stringify(custom)}).${kind}`;
  const module = modules[apiVersion];
  if (module === undefined) throw new Error(`${apiVersion} has no types here: add it to test/k8s/typed.ts`);
  return `import("kubernetes-types/${module}.d.ts").${kind}`;
}

/** What the compiler says of resources that are not as the API wants them; one line each, `Kind/name: …`. */
export function typeProblems(resources: readonly Resource[]): string[] {
  const folder = join(root, '.tocsin', `manifests-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    // One line each, so that a line number names its resource.
    const lines = resources.map(
      (resource, i) => `export const r${i}: ${typeOf(resource)} = ${JSON.stringify(resource)};`,
    );
    const file = join(folder, 'manifests.ts');
    writeFileSync(file, lines.join('\n'));
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--allowImportingTsExtensions',
      '--pretty',
      'false',
    ];
    const args = ['--ignoreConfig', ...options, '--types', '', file];
    const { stdout, status, error } = spawnSync(join(root, 'node_modules', '.bin', 'tsc'), args, { encoding: 'utf8' });
    if (error !== undefined) throw error;
    const found = [...stdout.matchAll(/manifests\.ts\((\d+),\d+\): error TS\d+: (.*)/g)];
    if (status !== 0 && found.length === 0) throw new Error(`tsc: ${stdout}`);
    return found.map(([, line, text]) => {
      const resource = resources[Number(line) - 1];
      return `${resource?.kind}/${resource?.metadata.name}: ${text}`;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
