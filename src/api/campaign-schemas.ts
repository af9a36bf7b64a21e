/** Campaigns as the API takes and gives them. API process. */
import { z } from '@hono/zod-openapi';
import { campaignStatuses } from '../campaign/state.ts';
import type { CampaignRow } from '../db/campaigns.ts';
import { recipientFields } from '../handoff.ts';
import { idSchema, languageSchema, later, laterSchema, moment, momentSchema, nameSchema } from './schemas.ts';

const placeholders = recipientFields.map((field) => `{{${field}}}`).join(', ');

const natureSchema = z.enum(['alert', 'information']).openapi({
  description:
    'An alert overtakes everything and may be sent again where it is not known whether it was. Information never is.',
});
const audienceSchema = z
  .union(
    [
      z.strictObject({ all: z.literal(true) }),
      z.strictObject({
        lists: z
          .array(idSchema)
          .min(1)
          .max(100)
          .refine((lists) => new Set(lists).size === lists.length, 'a list is named twice'),
      }),
    ],
    'must be either {"all": true} or {"lists": [ids]}',
  )
  .openapi('Audience');
const contentsSchema = z
  .record(languageSchema, z.string().max(5000))
  .refine((contents) => Object.keys(contents).length > 0, 'a text in one language at least is needed')
  .refine((contents) => Object.keys(contents).length <= 20, 'at most 20 languages')
  .openapi({ example: { fr: 'Bonjour {{firstName|}}, alerte crue.', en: 'Flood warning.' } });

/** A new campaign. */
export const campaignInput = z
  .strictObject({
    name: nameSchema(200),
    nature: natureSchema,
    sender: z.string().max(15).openapi({
      description: 'What recipients see as sender: at most 11 characters with a letter, or 3 to 15 digits.',
      example: 'MAIRIE',
    }),
    audience: audienceSchema,
    contents: contentsSchema.openapi({
      description: `Text by language. Placeholders: ${placeholders}; \`{{firstName|neighbour}}\` has a fallback.`,
    }),
    defaultLanguage: languageSchema.openapi({ description: 'For residents whose language has no text.' }),
    validitySeconds: z
      .int()
      .min(60)
      .max(604_800)
      .default(86_400)
      .openapi({ description: 'How long after the launch messages may still be sent.' }),
  })
  .openapi('CampaignInput');

const unreachableSchema = z
  .object({
    noMobile: z.int().openapi({ description: 'Residents without a mobile number.' }),
    optedOut: z.int().openapi({ description: 'Residents who want no messages on any mobile number.' }),
    noCarrier: z.int().openapi({ description: 'Numbers that no carrier serves.' }),
  })
  .openapi('Unreachable');

/** What an audience comes to. */
export const reachFields = {
  recipients: z.int().openapi({ description: 'Messages, one for each number.' }),
  duplicates: z.int().openapi({ description: 'Contacts left out because another has the same number.' }),
  unreachable: unreachableSchema,
};

/** A campaign. */
export const campaignSchema = z
  .object({
    id: idSchema,
    name: z.string(),
    nature: natureSchema,
    status: z.enum(campaignStatuses),
    sender: z.string(),
    audience: audienceSchema,
    contents: z.record(z.string(), z.string()),
    defaultLanguage: z.string(),
    validitySeconds: z.int(),
    recipients: reachFields.recipients.nullable().openapi({ description: 'Known once recipients are frozen.' }),
    duplicates: reachFields.duplicates.nullable(),
    unreachable: reachFields.unreachable.nullable(),
    createdAt: momentSchema,
    launchedAt: laterSchema,
    plannedAt: laterSchema.openapi({ description: 'When its recipients were frozen.' }),
    expiresAt: laterSchema.openapi({ description: 'When messages are no longer sent.' }),
    finishedAt: laterSchema,
    messagesRemovedAt: laterSchema.openapi({
      description: 'When what became of each recipient was removed, as it is after a while. Counts stay.',
    }),
  })
  .openapi('Campaign');

/** A campaign as it is sent. */
export type CampaignView = z.infer<typeof campaignSchema>;

/** A campaign of the database as it is sent. */
export function campaignView(row: CampaignRow): CampaignView {
  const planned = row.plannedAt !== null;
  return {
    id: row.id,
    name: row.name,
    nature: row.nature,
    status: row.status,
    sender: row.sender,
    audience: 'lists' in row.audience ? { lists: [...row.audience.lists] } : { all: true },
    contents: row.contents,
    defaultLanguage: row.defaultLanguage,
    validitySeconds: row.validitySeconds,
    recipients: planned ? row.recipients : null,
    duplicates: row.unreachable === null ? null : row.duplicates,
    unreachable: row.unreachable,
    createdAt: moment(row.createdAt),
    launchedAt: later(row.launchedAt),
    plannedAt: later(row.plannedAt),
    expiresAt: later(row.expiresAt),
    finishedAt: later(row.finishedAt),
    messagesRemovedAt: later(row.messagesRemovedAt),
  };
}
