/** Lists of residents and who is on them. API process; scope: an organisation. */
import type { Id } from '../handoff.ts';
import { me, only, type Run, type Statement } from './scope.ts';

/** A named set of residents. */
export type ListRow = {
  readonly id: Id;
  readonly name: string;
  readonly residents: number;
  readonly createdAt: Date;
};

const columns = `l.id, l.name, l.created_at as "createdAt",
  (select count(*)::int from list_members m where m.list_id = l.id) as residents`;

const insertList: Statement = {
  name: 'list_insert',
  text: `insert into lists (organisation_id, name) values (${me}, $1)
    returning id, name, created_at as "createdAt", 0 as residents`,
};

/** Creates a list. Rejects with a unique violation of `lists_name` when the name is taken. */
export async function createList(run: Run, name: string): Promise<ListRow> {
  return only(await run<ListRow>(insertList, [name]));
}

const selectLists: Statement = {
  name: 'lists_page',
  text: `select ${columns} from lists l where l.id > $1 order by l.id limit $2`,
};

/** At most `limit` lists behind the id `after`, by id. */
export function pageLists(run: Run, after: Id, limit: number): Promise<ListRow[]> {
  return run(selectLists, [after, limit]);
}

const selectList: Statement = { name: 'list_read', text: `select ${columns} from lists l where l.id = $1` };

/** One list, or undefined. */
export async function readList(run: Run, id: Id): Promise<ListRow | undefined> {
  const [row] = await run<ListRow>(selectList, [id]);
  return row;
}

const updateName: Statement = {
  name: 'list_rename',
  text: `with l as (update lists set name = $2 where id = $1 returning id, name, created_at) select ${columns} from l`,
};

/** Renames a list; undefined when there is none. Rejects with a unique violation of `lists_name`. */
export async function renameList(run: Run, id: Id, name: string): Promise<ListRow | undefined> {
  const [row] = await run<ListRow>(updateName, [id, name]);
  return row;
}

const deleteStatement: Statement = { name: 'list_delete', text: 'delete from lists where id = $1 returning id' };

/** Deletes a list, not its residents; false when there is none. */
export async function deleteList(run: Run, id: Id): Promise<boolean> {
  const rows = await run(deleteStatement, [id]);
  return rows.length > 0;
}

const insertMember: Statement = {
  name: 'list_member_insert',
  text: `with pair as (select l.id as list_id, r.id as resident_id from lists l, residents r
      where l.id = $1 and r.id = $2),
    added as (insert into list_members (organisation_id, list_id, resident_id)
      select ${me}, list_id, resident_id from pair on conflict do nothing)
    select 1 as found from pair`,
};

/** Puts a resident on a list; false when either does not exist. Again changes nothing. */
export async function addMember(run: Run, list: Id, resident: Id): Promise<boolean> {
  const rows = await run(insertMember, [list, resident]);
  return rows.length > 0;
}

const insertMembers: Statement = {
  name: 'list_members_insert',
  text: `insert into list_members (organisation_id, list_id, resident_id)
    select ${me}, $1, r.id from residents r where r.id = any ($2::bigint[]) on conflict do nothing`,
};

/** Puts residents on a list that exists; those that do not exist are left out. */
export async function addMembers(run: Run, list: Id, residents: readonly Id[]): Promise<void> {
  await run(insertMembers, [list, residents]);
}

const deleteMember: Statement = {
  name: 'list_member_delete',
  text: `with gone as (delete from list_members where list_id = $1 and resident_id = $2)
    select 1 as found from lists l, residents r where l.id = $1 and r.id = $2`,
};

/** Takes a resident off a list; false when either does not exist. Again changes nothing. */
export async function removeMember(run: Run, list: Id, resident: Id): Promise<boolean> {
  const rows = await run(deleteMember, [list, resident]);
  return rows.length > 0;
}
