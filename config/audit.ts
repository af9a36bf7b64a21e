/**
 * `npm run audit`: licences of all packages against the list, and known advisories of the registry. Exit codes: 0 all
 * is well · 1 a licence is not allowed, or an advisory is known · 3 the registry could not be asked, so that nothing
 * is known of advisories. Main process.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { licenceProblems, type LockedPackage } from './licences.ts';

const root = join(import.meta.dirname, '..', '..');

type Advisory = { readonly severity: string; readonly range: string };
type Report = {
  readonly auditReportVersion?: number;
  readonly message?: string;
  readonly vulnerabilities?: Readonly<Record<string, Advisory>>;
};

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function checkLicences(): boolean {
  const { packages } = readJson(join(root, 'package-lock.json')) as { packages: Record<string, LockedPackage> };
  const problems = licenceProblems(packages, (path) => {
    const file = join(root, path, 'package.json');
    return existsSync(file) ? ((readJson(file) as LockedPackage).license ?? 'none') : undefined;
  });
  for (const { name, licence } of problems) say(`licence: ${name} has ${licence}, which is not allowed`);
  if (problems.length === 0) say(`licences: all of ${Object.keys(packages).length - 1} packages are allowed`);
  return problems.length === 0;
}

/** True when none is known, undefined when the registry could not be asked. */
function checkAdvisories(): boolean | undefined {
  // Offline, npm would report that there are none.
  const { stdout } = spawnSync('npm', ['audit', '--json', '--offline=false'], { cwd: root, encoding: 'utf8' });
  const report = parse(stdout);
  if (report?.auditReportVersion === undefined) {
    say(`advisories: not known, the registry could not be asked (${report?.message ?? 'npm cannot be run'})`);
    return undefined;
  }
  const found = Object.entries(report.vulnerabilities ?? {});
  for (const [name, { severity, range }] of found) say(`advisory: ${name} ${range} (${severity})`);
  if (found.length === 0) say('advisories: none is known');
  return found.length === 0;
}

function parse(text: string | null): Report | undefined {
  try {
    return JSON.parse(text ?? '') as Report;
  } catch {
    return undefined; // npm printed something else, or nothing
  }
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

const [licences, advisories] = [checkLicences(), checkAdvisories()];
process.exitCode = !licences || advisories === false ? 1 : advisories === undefined ? 3 : 0;
