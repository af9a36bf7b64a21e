/** Import of residents, and what keeps their rows together: triggers in place of foreign keys, and races. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { ResidentWriter, takeTurn } from '../../src/db/import.ts';
import type { ImportedResident } from '../../src/db/import-chunk.ts';
import { createResident, deleteResident, readResident } from '../../src/db/residents.ts';
import { type Scoped, scoped } from '../../src/db/scope.ts';
import type { Id } from '../../src/handoff.ts';
import { silentLog } from '../../src/telemetry.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { addOrganisation, addResidents } from '../support/town.ts';

let database: TestDatabase;
let owner: pg.Client;
let api: Database;

beforeAll(async () => {
  database = await testDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  const options = {
    poolMax: 6,
    applicationName: 'test',
    statementTimeoutMs: 0,
    pipelines: true,
    log: silentLog,
  } as const;
  api = connect({ url: database.apiUrl, ...options });
});
afterAll(async () => {
  await api.close();
  await owner.end();
  await database.drop();
});

type Town = { readonly id: Id; readonly list: Id; readonly scope: Scoped };

async function town(): Promise<Town> {
  const id = await addOrganisation(owner);
  const insert = "insert into lists (organisation_id, name) values ($1, 'L' || $1::bigint) returning id";
  const list = (await owner.query<{ id: Id }>(insert, [id])).rows[0]!.id;
  return { id, list, scope: scoped(api, { organisation: id }) };
}

const person = (reference: string | null, ...addresses: string[]): ImportedResident => ({
  externalReference: reference,
  firstName: 'A',
  lastName: '',
  language: '',
  street: '',
  postcode: '',
  city: '',
  contacts: addresses.map((address) => ({ channel: 'sms', address })),
});
const columns = {
  firstName: true,
  lastName: true,
  language: true,
  street: true,
  postcode: true,
  city: true,
  contacts: true,
};
function put(run: Scoped['run'], people: readonly ImportedResident[], list: Id) {
  const writer = new ResidentWriter(run, columns, list);
  return writer.write(writer.chunk(people));
}
const write = ({ scope, list }: Town, people: readonly ImportedResident[]) =>
  scope.transaction(async (run) => {
    await takeTurn(run);
    return await put(run, people, list);
  });

async function idOf({ id }: Town, reference: string): Promise<Id | undefined> {
  const select = 'select id from residents where organisation_id = $1 and external_reference = $2';
  return (await owner.query<{ id: Id }>(select, [id, reference])).rows[0]?.id;
}

/** Rows that have lost their parent, in the whole database. */
async function orphans(): Promise<number> {
  const { rows } = await owner.query<{ n: number }>(
    `select ((select count(*) from contact_points c where not exists (select from residents r
        where r.organisation_id = c.organisation_id and r.id = c.resident_id))
      + (select count(*) from list_members m where not exists (select from residents r
        where r.organisation_id = m.organisation_id and r.id = m.resident_id)
        or not exists (select from lists l where l.organisation_id = m.organisation_id
          and l.id = m.list_id)))::int as n`,
  );
  return rows[0]!.n;
}

/** Resolves when a statement of the API waits for a lock. */
async function somebodyWaits(): Promise<void> {
  await expect
    .poll(async () => {
      const { rows } = await owner.query<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity
          where datname = current_database() and application_name = 'test' and wait_event_type = 'Lock'`,
      );
      return rows[0]!.n;
    })
    .toBe(1);
}

/** Runs `first` in a transaction that stays open until `second` waits for it; what became of `second`. */
async function whileOpen<First, Second>(
  { scope }: Town,
  first: (run: Scoped['run']) => Promise<First>,
  second: () => Promise<Second>,
): Promise<Second> {
  let waiting: Promise<Second> | undefined;
  await scope.transaction(async (run) => {
    await first(run);
    waiting = second();
    await Promise.race([somebodyWaits(), waiting]);
  });
  return (await waiting) as Second;
}

test('import - the same file again writes nothing, and a changed number only its resident', async () => {
  const place = await town();
  const file = [person('1', '+33639980001'), person('2', '+33639980002', '+33639980003'), person('3')];
  expect(await write(place, file)).toEqual({ created: 3, updated: 0 });
  const versions = async () => {
    const { rows } = await owner.query<{ v: string }>(
      `select xmin::text || ctid::text as v from residents where organisation_id = $1
        union all select xmin::text || ctid::text from contact_points where organisation_id = $1
        union all select xmin::text || ctid::text from list_members where organisation_id = $1 order by 1`,
      [place.id],
    );
    return rows.map((row) => row.v);
  };
  const before = await versions();
  expect(await write(place, file)).toEqual({ created: 0, updated: 3 });
  expect(await versions()).toEqual(before);
  await write(place, [file[0]!, person('2', '+33639980002', '+33639980004'), person('3')]);
  const after = await versions();
  expect(after.filter((version) => before.includes(version))).toHaveLength(before.length - 2);
  const two = await readResident(place.scope.run, (await idOf(place, '2'))!);
  expect(two?.contacts.map((contact) => contact.address)).toEqual(['+33639980002', '+33639980004']);
  expect(two?.updatedAt.getTime()).toBeGreaterThan(two!.createdAt.getTime());
});

test('import - one of somebody else’s list fails and writes nothing', async () => {
  const [place, other] = [await town(), await town()];
  const stolen = write({ ...place, list: other.list }, [person('1')]);
  await expect(stolen).rejects.toMatchObject({ code: '23503', constraint: 'list_members_own_list' });
  expect(await idOf(place, '1')).toBeUndefined();
});

test('import - chunks behind one that has to be repeated are repeated too, and say what became of them', async () => {
  const place = await town();
  await write(place, [person('known', '+33639980001')]);
  const chunks = [
    [person('1')],
    [person('2')],
    [person('known', '+33639980002'), person('3')],
    [person('1'), person('4')],
  ];
  const counts = await place.scope.transaction(async (run) => {
    await takeTurn(run);
    const writer = new ResidentWriter(run, columns, place.list);
    await writer.write(writer.chunk([person('0')]));
    // All are sent as new residents, of whom some are known, and none waits for the one before.
    return await Promise.all([...chunks, [person('5')]].map((people) => writer.write(writer.chunk(people))));
  });
  expect(counts).toEqual(
    [
      [1, 0],
      [1, 0],
      [1, 1],
      [1, 1],
      [1, 0],
    ].map(([created, updated]) => ({ created, updated })),
  );
  const known = await readResident(place.scope.run, (await idOf(place, 'known'))!);
  expect(known?.contacts).toMatchObject([{ address: '+33639980002' }]);
  const members = 'select from list_members where list_id = $1';
  expect((await owner.query(members, [place.list])).rowCount).toBe(7);
});

test('import - chunks behind one that fails fail as it does, and nothing is written', async () => {
  const place = await town();
  const written = await place.scope.transaction(async (run) => {
    await takeTurn(run);
    const writer = new ResidentWriter(run, columns, place.list);
    await writer.write(writer.chunk([person('0')]));
    const chunks = [[person('1')], [person('2', '\u0000')], [person('3')]].map((people) => writer.chunk(people));
    return await Promise.allSettled(chunks.map((chunk) => writer.write(chunk)));
  });
  const failed = { status: 'rejected', reason: { code: '22021' } };
  expect(written).toMatchObject([{ status: 'fulfilled' }, failed, failed]);
  expect(await idOf(place, '0')).toBeUndefined();
});

test('import - a resident that is deleted meanwhile is created anew, with numbers and membership', async () => {
  const place = await town();
  await write(place, [person('1', '+33639980001')]);
  const old = (await idOf(place, '1'))!;
  const counts = await whileOpen(
    place,
    (run) => deleteResident(run, old),
    () => write(place, [person('1', '+33639980009')]),
  );
  expect(counts).toEqual({ created: 1, updated: 0 });
  const now = (await idOf(place, '1'))!;
  expect(now).not.toBe(old);
  expect((await readResident(place.scope.run, now))?.contacts).toMatchObject([{ address: '+33639980009' }]);
  expect(await orphans()).toBe(0);
});

test('import - a delete waits for the import that gave the resident a number, and takes that along', async () => {
  const place = await town();
  const [resident] = await addResidents(owner, place.id, [{ mobiles: [] }]);
  await owner.query("update residents set external_reference = '1', first_name = 'A' where id = $1", [resident]);
  const gone = await whileOpen(
    place,
    (run) => put(run, [person('1', '+33639980001')], place.list),
    () => deleteResident(place.scope.run, resident!),
  );
  expect(gone).toBe(true);
  expect(await idOf(place, '1')).toBeUndefined();
  expect(await orphans()).toBe(0);
});

test('import - a resident whom somebody creates at the same moment is updated', async () => {
  const place = await town();
  const fields = { ...person('1'), firstName: 'Earlier' };
  const counts = await whileOpen(
    place,
    (run) => createResident(run, fields, [{ channel: 'sms', address: '+33639980001', optedOut: true }]),
    () => write(place, [person(null), person('1', '+33639980002')]),
  );
  expect(counts).toEqual({ created: 1, updated: 1 });
  const resident = await readResident(place.scope.run, (await idOf(place, '1'))!);
  expect(resident).toMatchObject({ firstName: 'A', contacts: [{ optedOut: true }, { address: '+33639980002' }] });
});

test('import - a list stays until the import that fills it has ended, and then takes its members along', async () => {
  const place = await town();
  await whileOpen(
    place,
    (run) => put(run, [person('1')], place.list),
    () => place.scope.run({ text: 'delete from lists where id = $1' }, [place.list]),
  );
  expect(await idOf(place, '1')).toBeDefined();
  expect(await orphans()).toBe(0);
});

test('residents - nothing hangs on somebody else’s resident, on none, or on an organisation that is none', async () => {
  const [place, other] = [await town(), await town()];
  const [theirs] = await addResidents(owner, other.id, [{}]);
  const insert =
    "insert into contact_points (organisation_id, resident_id, channel, address) values ($1, $2, 'sms', 'x')";
  const refused = { code: '23503', constraint: 'contact_points_own_resident' };
  for (const resident of [theirs, '1']) {
    await expect(place.scope.run({ text: insert }, [place.id, resident])).rejects.toMatchObject(refused);
    await expect(owner.query(insert, [place.id, resident])).rejects.toMatchObject(refused);
  }
  const nowhere = owner.query('insert into residents (organisation_id) values (1)');
  await expect(nowhere).rejects.toMatchObject({ code: '23503', constraint: 'residents_own_organisation' });
});

test('residents - many written at once are checked too, where one of them is somebody else’s or nobody', async () => {
  const [place, other] = [await town(), await town()];
  const [theirs] = await addResidents(owner, other.id, [{}]);
  const fresh = `with fresh as (insert into residents (organisation_id)
    select $1::bigint from generate_series(1, 150) returning id),
    named as (select id from fresh union all select $2::bigint)`;
  const points = `${fresh} insert into contact_points (organisation_id, resident_id, channel, address)
    select $1::bigint, id, 'sms', 'x' from named`;
  const members = `${fresh} insert into list_members (organisation_id, list_id, resident_id)
    select $1::bigint, $3::bigint, id from named`;
  for (const resident of [theirs, '1']) {
    const pointed = owner.query(points, [place.id, resident]);
    await expect(pointed).rejects.toMatchObject({ code: '23503', constraint: 'contact_points_own_resident' });
    const joined = owner.query(members, [place.id, resident, place.list]);
    await expect(joined).rejects.toMatchObject({ code: '23503', constraint: 'list_members_own_resident' });
  }
  expect(await orphans()).toBe(0);
});

test('residents - nothing hangs on one whom the same transaction wrote and then undid or deleted', async () => {
  const [place, other] = [await town(), await town()];
  const write = 'insert into residents (organisation_id) values ($1) returning id';
  const ways = [
    { way: 'undone', undo: () => 'rollback to savepoint before', of: place },
    { way: 'deleted', undo: (id: Id) => `delete from residents where id = ${id}`, of: place },
    { way: 'gone with all', undo: () => `delete from organisations where id = ${place.id}`, of: place },
    { way: 'of somebody else', undo: () => 'select', of: other },
  ];
  for (const { way, undo, of } of ways) {
    const point = `insert into contact_points (organisation_id, resident_id, channel, address)
      select ${of.id}, $1, 'sms', 'x'`;
    const member = `insert into list_members (organisation_id, list_id, resident_id) select ${of.id}, ${of.list}, $1`;
    for (const hang of [point, member]) {
      await owner.query('begin; savepoint before');
      const id = (await owner.query<{ id: Id }>(write, [place.id])).rows[0]!.id;
      await owner.query(undo(id));
      await expect(owner.query(hang, [id]), way).rejects.toMatchObject({ code: '23503' });
      await owner.query('rollback');
    }
  }
});

test('residents - one who is deleted by the statement that hangs something on them takes it along', async () => {
  const place = await town();
  const write = 'insert into residents (organisation_id) values ($1) returning id';
  await place.scope.transaction(async (run) => {
    const id = (await run<{ id: Id }>({ text: write }, [place.id]))[0]!.id;
    const text = `with gone as (delete from residents where id = $2)
      insert into contact_points (organisation_id, resident_id, channel, address) values ($1, $2, 'sms', 'x')`;
    await run({ text }, [place.id, id]);
  });
  expect(await orphans()).toBe(0);
});

test('residents - some of many on a list that is somebody else’s are refused beside those that may be', async () => {
  const [place, other] = [await town(), await town()];
  const write = 'insert into residents (organisation_id) select $1 from generate_series(1, 3) returning id';
  const joined = place.scope.transaction(async (run) => {
    const ids = (await run<{ id: Id }>({ text: write }, [place.id])).map(({ id }) => id);
    const text = `insert into list_members (organisation_id, list_id, resident_id)
      select $1, l, r from unnest($2::bigint[]) as l, unnest($3::bigint[]) as r`;
    await run({ text }, [place.id, [place.list, other.list], ids]);
  });
  await expect(joined).rejects.toMatchObject({ code: '23503', constraint: 'list_members_own_list' });
});

test('residents - their keys do not change, nor those of what hangs on them', async () => {
  const [place, other] = [await town(), await town()];
  await write(place, [person('1', '+33639980001')]);
  for (const table of ['residents', 'contact_points', 'lists', 'list_members']) {
    const move = owner.query(`update ${table} set organisation_id = $2 where organisation_id = $1`, [
      place.id,
      other.id,
    ]);
    await expect(move, table).rejects.toMatchObject({ code: '23503' });
  }
});

test('residents - a delete with an older snapshot is refused, since it would not see new numbers', async () => {
  const place = await town();
  const [resident] = await addResidents(owner, place.id, [{ mobiles: ['+33639980001'] }]);
  await owner.query('begin isolation level repeatable read');
  const removal = owner.query('delete from residents where id = $1', [resident]);
  await expect(removal).rejects.toMatchObject({ code: '0A000' });
  await owner.query('rollback');
});

test('organisations - one that is deleted takes everything along, by the platform too', async () => {
  const place = await town();
  await write(place, [person('1', '+33639980001'), person('2', '+33639980002')]);
  await api.platform(({ client }) => client.query('delete from organisations where id = $1', [place.id]));
  for (const table of ['residents', 'contact_points', 'lists', 'list_members']) {
    const { rows } = await owner.query(`select from ${table} where organisation_id = $1`, [place.id]);
    expect(rows, table).toHaveLength(0);
  }
});
