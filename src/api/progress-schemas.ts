/** Preview, progress and report as the API gives them. API process. */
import { z } from '@hono/zod-openapi';
import { campaignStatuses } from '../campaign/state.ts';
import { campaignSchema, reachFields } from './campaign-schemas.ts';
import { idSchema } from './schemas.ts';

const count = z.int();
const progressFields = {
  planned: count.openapi({ description: 'Messages in all.' }),
  submitted: count.openapi({ description: 'Messages that a carrier ever accepted.' }),
  delivered: count,
  failed: count,
  unknown: count.openapi({ description: 'Written to a carrier that never answered.' }),
  expired: count,
  cancelled: count,
  pending: count.openapi({ description: 'Messages without an outcome yet.' }),
  awaitingReceipt: count.openapi({ description: 'Accepted by a carrier, final receipt not here yet.' }),
};
/** Counts of a campaign with its status. */
export const progressSchema = z
  .object({ campaign: idSchema, status: z.enum(campaignStatuses), ...progressFields })
  .openapi('Progress');

const groupSchema = z
  .object({
    carrier: z.string(),
    language: z.string(),
    recipients: count,
    encoding: z.enum(['gsm', 'latin1', 'ucs2']),
    segmentsLeast: count.openapi({ description: 'Fewest segments of one message.' }),
    segmentsMost: count.openapi({ description: 'Most segments of one message.' }),
    segments: count.openapi({ description: 'In all; reckoned from a sample when the text is personal.' }),
    forcesUcs2: z.array(z.string()).openapi({ description: 'Characters of the text that force UCS-2.' }),
    personalised: z.boolean(),
  })
  .openapi('PreviewGroup');
/** What a launch would take. */
export const previewSchema = z
  .object({
    ...reachFields,
    segments: count,
    expectedSeconds: count.openapi({ description: "At the carriers' rates, when nothing else waits." }),
    groups: z.array(groupSchema),
    carriers: z.array(
      z.object({ carrier: z.string(), recipients: count, segments: count, seconds: count }).openapi('PreviewCarrier'),
    ),
    examples: z.array(z.object({ language: z.string(), text: z.string() })),
  })
  .openapi('Preview');

/** What became of a campaign. */
export const reportSchema = z
  .object({
    campaign: campaignSchema,
    progress: progressSchema,
    carriers: z.array(z.object({ carrier: z.string(), ...progressFields }).openapi('CarrierProgress')),
    refusals: z.array(
      z
        .object({
          carrier: z.string(),
          commandStatus: z.string().openapi({ description: 'SMPP command_status.', example: '0x0000000b' }),
          segments: count,
        })
        .openapi('Refusal'),
    ),
  })
  .openapi('Report');
