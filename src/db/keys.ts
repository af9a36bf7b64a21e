/**
 * Organisations and their API keys. Statements of the platform's owner, and the one by which a caller becomes
 * known. API process. Keys themselves never come here, only their SHA-256.
 */
import type { Id } from '../handoff.ts';
import { only, type Run, type Statement } from './scope.ts';

/** A tenant. */
export type OrganisationRow = {
  readonly id: Id;
  readonly name: string;
  readonly country: string;
  readonly weight: number;
  readonly createdAt: Date;
};

/** A key as its owner may see it again: without the key. */
export type KeyRow = {
  readonly id: Id;
  readonly name: string;
  readonly prefix: string;
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
};

const organisationColumns = 'id, name, country, weight, created_at as "createdAt"';
const keyColumns = 'id, name, prefix, created_at as "createdAt", revoked_at as "revokedAt"';

const insertOrganisation: Statement = {
  name: 'organisation_insert',
  text: `insert into organisations (name, country, weight) values ($1, $2, $3) returning ${organisationColumns}`,
};

/** Creates an organisation. Scope: platform. */
export async function createOrganisation(
  run: Run,
  organisation: { readonly name: string; readonly country: string; readonly weight: number },
): Promise<OrganisationRow> {
  const { name, country, weight } = organisation;
  return only(await run<OrganisationRow>(insertOrganisation, [name, country, weight]));
}

const selectOrganisations: Statement = {
  name: 'organisations_page',
  text: `select ${organisationColumns} from organisations where id > $1 order by id limit $2`,
};

/** At most `limit` organisations behind the id `after`, by id. Scope: platform. */
export function pageOrganisations(run: Run, after: Id, limit: number): Promise<OrganisationRow[]> {
  return run(selectOrganisations, [after, limit]);
}

const selectOrganisation: Statement = {
  name: 'organisation_read',
  text: `select ${organisationColumns} from organisations where id = $1`,
};

/** One organisation, or undefined. Scope: platform, or the organisation itself. */
export async function readOrganisation(run: Run, id: Id): Promise<OrganisationRow | undefined> {
  const [row] = await run<OrganisationRow>(selectOrganisation, [id]);
  return row;
}

const insertKey: Statement = {
  name: 'key_insert',
  text: `insert into api_keys (organisation_id, name, prefix, key_hash)
    select id, $2, $3, $4 from organisations where id = $1 returning ${keyColumns}`,
};

/** Stores a key's hash; undefined when there is no such organisation. Scope: platform. */
export async function createKey(
  run: Run,
  organisation: Id,
  key: { readonly name: string; readonly prefix: string; readonly hash: Buffer },
): Promise<KeyRow | undefined> {
  const [row] = await run<KeyRow>(insertKey, [organisation, key.name, key.prefix, key.hash]);
  return row;
}

const selectKeys: Statement = {
  name: 'keys_page',
  text: `select ${keyColumns} from api_keys where organisation_id = $1 and id > $2 order by id limit $3`,
};

/** At most `limit` keys of an organisation behind the id `after`, by id. Scope: platform. */
export function pageKeys(run: Run, organisation: Id, after: Id, limit: number): Promise<KeyRow[]> {
  return run(selectKeys, [organisation, after, limit]);
}

const updateRevoked: Statement = {
  name: 'key_revoke',
  text: `update api_keys set revoked_at = coalesce(revoked_at, now())
    where organisation_id = $1 and id = $2 returning id`,
};

/** Ends a key for good; false when there is none. Other processes may know it for some seconds. Scope: platform. */
export async function revokeKey(run: Run, organisation: Id, key: Id): Promise<boolean> {
  const rows = await run(updateRevoked, [organisation, key]);
  return rows.length > 0;
}

const authenticateStatement: Statement = {
  name: 'authenticate',
  text: `select a.organisation_id as "organisation" from tocsin_authenticate($1) a`,
};

/** The organisation whose key has this SHA-256, or undefined. Needs no scope. */
export async function authenticate(run: Run, hash: Buffer): Promise<Id | undefined> {
  const [row] = await run<{ organisation: Id }>(authenticateStatement, [hash]);
  return row?.organisation;
}
