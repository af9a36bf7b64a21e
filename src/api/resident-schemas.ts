/** Residents as the API takes and gives them. API process. */
import { z } from '@hono/zod-openapi';
import type { ContactInput, ResidentRow } from '../db/residents.ts';
import { type Country, readPhone } from './phone.ts';
import { type FieldError, invalid } from './problems.ts';
import { idSchema, languageSchema, lineSchema, moment, momentSchema, nameSchema } from './schemas.ts';

const contactInputSchema = z
  .strictObject({
    address: z.string().min(1).max(32).openapi({ description: 'A telephone number.', example: '06 39 98 00 01' }),
    optedOut: z
      .boolean()
      .optional()
      .openapi({ description: 'No messages here. Without it, a known number keeps what it had.' }),
  })
  .openapi('ContactInput');

const fields = {
  externalReference: nameSchema(100)
    .nullable()
    .openapi({ description: 'Your own key for the person; unique where there is one.' }),
  firstName: lineSchema(100),
  lastName: lineSchema(100),
  language: languageSchema.or(z.literal('')).openapi({ description: 'Empty when it is not known.' }),
  street: lineSchema(200),
  postcode: lineSchema(16),
  city: lineSchema(100),
  contacts: z.array(contactInputSchema).max(10),
};

/** A new resident. */
export const residentInput = z
  .strictObject({
    externalReference: fields.externalReference.default(null),
    firstName: fields.firstName.default(''),
    lastName: fields.lastName.default(''),
    language: fields.language.default(''),
    street: fields.street.default(''),
    postcode: fields.postcode.default(''),
    city: fields.city.default(''),
    contacts: fields.contacts.default([]),
  })
  .openapi('ResidentInput');

/** Changes to a resident; what is not given stays. */
export const residentChange = z.strictObject(fields).partial().openapi('ResidentChange');

const contactSchema = z
  .object({
    channel: z.enum(['sms', 'voice']).openapi({ description: '`sms` for a mobile number, else `voice`.' }),
    address: z.string().openapi({ description: 'E.164.', example: '+33639980001' }),
    optedOut: z.boolean(),
  })
  .openapi('Contact');

/** A resident. */
export const residentSchema = z
  .object({
    id: idSchema,
    externalReference: z.string().nullable(),
    firstName: z.string(),
    lastName: z.string(),
    language: z.string(),
    street: z.string(),
    postcode: z.string(),
    city: z.string(),
    contacts: z.array(contactSchema),
    createdAt: momentSchema,
    updatedAt: momentSchema,
  })
  .openapi('Resident');

/** A resident of the database as it is sent. */
export const residentView = (row: ResidentRow): z.infer<typeof residentSchema> => ({
  ...row,
  contacts: [...row.contacts],
  createdAt: moment(row.createdAt),
  updatedAt: moment(row.updatedAt),
});

/** Contacts with their numbers normalised; throws a problem that names every number that is none. */
export function readContacts(
  contacts: readonly z.infer<typeof contactInputSchema>[],
  country: Country,
): ContactInput[] {
  const errors: FieldError[] = [];
  const read: ContactInput[] = [];
  contacts.forEach(({ address, optedOut }, index) => {
    const field = `contacts.${index}.address`;
    const number = readPhone(address, country);
    if (number.kind === 'refused') {
      errors.push({ field, message: number.because, reason: 'telephone-number' });
    } else if (read.some((contact) => contact.address === number.address)) {
      errors.push({ field, message: 'the number is there twice', reason: 'telephone-number' });
    } else {
      read.push({ channel: number.channel, address: number.address, optedOut });
    }
  });
  if (errors.length > 0) throw invalid(errors);
  return read;
}
