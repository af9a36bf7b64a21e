/**
 * The carriers file: one entry for each SMSC account, checked whole before anything starts. Pure.
 * Field names follow SMPP 3.4 where it has a word.
 */
import { z } from 'zod';
import { shardsMax } from '../src/account.ts';
import { issueWords } from '../src/wording.ts';
import { divisionProblems, shardBindsMax, shardRateMin } from './shards.ts';

/** Octets that SMPP 3.4 §2.7 allows in a C-octet string of `most` characters and its NUL. */
const cOctets = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII');
const whole = (least: number, most: number) => z.number().int().min(least).max(most);

/** One carrier. */
export const carrierSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{0,31}$/, 'must be 1 to 32 of a-z, 0-9, dot and dash')
    .describe('Name in routes, keys, metrics and reports. It must not end in a dot and digits, as shards do.'),
  host: z.string().min(1).describe('Host of the SMSC.'),
  port: whole(1, 65535).describe('TCP port of the SMSC.'),
  tls: z
    .strictObject({
      caFile: z.string().optional().describe('PEM file of the authority to trust instead of the system’s.'),
      serverName: z.string().optional().describe('Name expected in the certificate when it is not the host.'),
      fingerprint: z
        .string()
        .regex(/^([0-9a-f]{2}:?){31}[0-9a-f]{2}$/i, 'must be the 32 octets of a SHA-256, hexadecimal')
        .optional()
        .describe('SHA-256 of the one certificate that is taken, beside the usual checks.'),
      certFile: z.string().optional().describe('PEM file of the certificate that we show.'),
      keyFile: z.string().optional().describe('PEM file of its key.'),
    })
    .optional()
    .describe('Present: connect by TLS, always verified; `{}`, or any of the fields below.'),
  systemId: cOctets(15).min(1).describe('system_id of the account.'),
  passwordEnv: z
    .string()
    .regex(/^[A-Z_][A-Z0-9_]*$/, 'must name an environment variable')
    .optional()
    .describe('Environment variable that holds the password.'),
  passwordFile: z.string().min(1).optional().describe('Instead: the file that holds it.'),
  systemType: cOctets(12).default('').describe('system_type.'),
  bindType: z
    .enum(['transceiver', 'transmitter-receiver'])
    .default('transceiver')
    .describe('One transceiver per slot, or a transmitter and a receiver.'),
  binds: whole(1, shardBindsMax * shardsMax).describe(
    `Slots: binds that the contract allows (pairs, with transmitter-receiver), at most ${shardBindsMax} of each shard.`,
  ),
  window: whole(1, 5000).default(10).describe('Unanswered submit_sm per bind.'),
  ratePerSecond: z
    .number()
    .min(shardRateMin)
    .max(10_000_000)
    .describe('Segments a second that the contract allows, over all binds.'),
  shards: whole(1, shardsMax)
    .default(1)
    .describe(
      'Parts that binds and rate are divided into, for a rate that outgrows one node of a Redis Cluster; ' +
        'see Sharded carriers before it is changed.',
    ),
  roundTripMs: whole(0, 60_000)
    .default(50)
    .describe('Usual time to an answer; only checks that the window can carry the rate.'),
  serviceType: cOctets(5).default('').describe('service_type.'),
  sourceTon: z
    .union([whole(0, 6), z.literal('auto')])
    .default('auto')
    .describe('source_addr_ton; auto gives 5 to alphanumeric, 3 to short and 1 to long numbers.'),
  sourceNpi: whole(0, 18).default(1).describe('source_addr_npi; 0 is sent with alphanumeric sources.'),
  destinationTon: whole(0, 6).default(1).describe('dest_addr_ton.'),
  destinationNpi: whole(0, 18).default(1).describe('dest_addr_npi.'),
  defaultAlphabet: z.enum(['gsm', 'latin1']).default('gsm').describe('What data_coding 0 means to the carrier.'),
  longMessages: z
    .enum(['udh', 'sar', 'payload'])
    .default('udh')
    .describe('Long messages: 16-bit UDH, SAR TLVs or message_payload.'),
  messageId: z
    .enum(['as-is', 'hexadecimal', 'decimal', 'hexadecimal-in-response', 'decimal-in-response'])
    .default('as-is')
    .describe('How the carrier spells message ids; the last two: one base in submit_sm_resp, the other in receipts.'),
  receipts: z.boolean().default(true).describe('Ask for a receipt on every segment.'),
  segmentsMax: whole(1, 15).default(8).describe('Most segments of one message.'),
  enquireLinkMs: whole(100, 600_000).default(30_000).describe('Silence after which enquire_link is sent.'),
  responseMs: whole(50, 600_000).default(10_000).describe('Longest wait for any answer.'),
  reconnectMs: whole(10, 600_000)
    .default(500)
    .describe('First pause before a new connection; it doubles, with full jitter.'),
  reconnectMsMax: whole(10, 3_600_000).default(30_000).describe('Longest pause before a new connection.'),
  prefixes: z
    .array(z.string().regex(/^\d{0,15}$/, 'must be digits of E.164, without plus; "" serves all'))
    .min(1)
    .describe('Numbers that it serves, by prefix; the longest match wins.'),
  order: whole(0, 1000)
    .default(0)
    .describe('Among carriers with the same prefix: lowest first, the others are its fallback.'),
});

/** One carrier's settings. */
export type CarrierSettings = Readonly<z.infer<typeof carrierSchema>>;

/** The whole file. */
const carriersFileSchema = z.strictObject({ carriers: z.array(carrierSchema).min(1) });

/** Problems between fields; one line each, by path. */
export function carrierRelations(carriers: readonly CarrierSettings[]): string[] {
  const problems: string[] = [];
  carriers.forEach((carrier, index) => {
    const at = `carriers[${index}]`;
    if (carriers.findIndex((other) => other.name === carrier.name) !== index)
      problems.push(`${at}.name: "${carrier.name}" is used twice`);
    if ((carrier.passwordEnv === undefined) === (carrier.passwordFile === undefined))
      problems.push(`${at}.passwordEnv: either it or passwordFile must say where the password is`);
    if ((carrier.tls?.certFile === undefined) !== (carrier.tls?.keyFile === undefined))
      problems.push(`${at}.tls: certFile and keyFile go together`);
    for (const [field, problem] of divisionProblems(carrier)) problems.push(`${at}.${field}: ${problem}`);
    const bindsOfLast = Math.max(1, Math.floor(carrier.binds / carrier.shards));
    const needed = (carrier.ratePerSecond / carrier.shards / bindsOfLast) * (carrier.roundTripMs / 1000);
    if (carrier.window < needed)
      problems.push(
        `${at}.window: ${carrier.window} cannot carry the rate; ` +
          `at ${carrier.roundTripMs} ms it must be ${Math.ceil(needed)} or more`,
      );
    if (carrier.reconnectMs > carrier.reconnectMsMax)
      problems.push(`${at}.reconnectMs: must not be more than reconnectMsMax (${carrier.reconnectMsMax})`);
  });
  return problems;
}

/** What a carriers file says, or every fault of its form by path: `carriers[0].port: must be a number`. */
export function readCarriers(
  value: unknown,
): { readonly carriers: CarrierSettings[] } | { readonly problems: string[] } {
  const parsed = carriersFileSchema.safeParse(value, { error: issueWords });
  if (parsed.success) return parsed.data;
  return {
    problems: parsed.error.issues.flatMap((issue) => {
      const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
      return paths.map((path) => `${pathOf(path)}: ${issue.message}`);
    }),
  };
}

function pathOf(path: readonly PropertyKey[]): string {
  return (
    path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i > 0 ? '.' : ''}${String(part)}`)).join('') ||
    'the file'
  );
}
