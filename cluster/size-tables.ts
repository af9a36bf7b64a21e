/**
 * The worked tables of k8s/README.md, as `npm run size` prints them: `npm run tables` writes them between their
 * markers, and a test holds the file to them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { between } from '../config/tables.ts';
import { sizeCommand } from './size-command.ts';

const markers = ['<!-- sizing -->', '<!-- /sizing -->'] as const;

/** What is worked out, and with which flags. */
const examples = [
  ['One town', '--recipients 5000 --deadline 2m --rate-per-bind 50'],
  ['One department', '--recipients 600000 --deadline 30m'],
  ['The country', '--recipients 67000000 --deadline 30m'],
] as const;

const introduction = `## Sizing

\`npm run size\` works from recipients and a deadline, and either a carriers file (\`--carriers FILE\`: what do these
contracts give, and by how much are they too slow) or one kind of bind (\`--rate-per-bind\`, \`--window\`,
\`--round-trip-ms\`: how many are needed), to processes, Redis and PostgreSQL; \`--json\` for programs, \`--help\` for
all flags. Its formulas are in \`src/size/size.ts\`; what they multiply was measured by our own benches and stands with
its source in \`src/size/measured.ts\`. Rates are those of the time in which everything is sent, and no part uses more
than 60 % of its core. A carrier has at most 64 binds, or each of its shards has; its account stays one contract.

Slow binds cost more: a batch is what a bind sends in 50 ms, but 25 recipients at least, so many binds of a moderate
rate mean small batches, and with them more scripts in Redis and more CPU for each message. What is not in the tables:
the register of residents itself, its indexes, and backups.`;

/** The text with its tables renewed. */
export function withSizing(readme: string): string {
  const tables = examples.map(([title, flags]) => {
    const printed = sizeCommand(flags.split(' ')).trimEnd().replace('\n', '\n\n');
    return `### ${title}\n\n\`npm run size -- ${flags}\`\n\n${printed}`;
  });
  return between(readme, markers, [introduction, ...tables].join('\n\n'));
}

if (process.argv[2] === '--write') {
  const readme = join(import.meta.dirname, '..', '..', 'k8s', 'README.md');
  writeFileSync(readme, withSizing(readFileSync(readme, 'utf8')));
}
