/** Routing: longest prefix, fallback order, and the same answer from JavaScript and from the planner's SQL. */
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { carriersOf, type Reach, reachedSql } from '../../src/db/audience.ts';
import { routeOf, routeTable } from '../../src/plan/route.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { addOrganisation, addResidents } from '../support/town.ts';

let database: TestDatabase;
let owner: pg.Client;

beforeAll(async () => {
  database = await testDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
});

afterAll(async () => {
  await owner.end();
  await database.drop();
});

const digits = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom('3', '6', '9'), minLength, maxLength });
const someCarriers = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('east', 'north', 'south', 'west'),
    prefixes: fc.uniqueArray(digits(0, 4), { minLength: 1, maxLength: 4 }),
    order: fc.integer({ min: 0, max: 3 }),
  }),
  { selector: (carrier) => carrier.name, minLength: 1 },
);

test('route - SQL and JavaScript send every address to the same carrier', async () => {
  await fc.assert(
    fc.asyncProperty(
      someCarriers,
      fc.uniqueArray(digits(5, 8), { minLength: 1, maxLength: 20 }),
      async (carriers, addresses) => {
        const organisation = await addOrganisation(owner);
        await addResidents(owner, organisation, [{ mobiles: addresses.map((address) => `+${address}`) }]);
        const table = routeTable(carriers);
        const reach: Reach = { organisation, audience: { all: true }, languages: ['fr'], fields: [], routes: table };
        const { text, values } = reachedSql(reach);
        const { rows } = await owner.query<{ address: string; carrier: number | null }>(
          `with ${text} select address, carrier from reached`,
          values,
        );
        const names = carriersOf(reach);
        const bySql = new Map(
          rows.map(({ address, carrier }) => [address, carrier === null ? undefined : names[carrier]]),
        );
        for (const address of addresses) expect(bySql.get(address)).toBe(routeOf(table, address)?.carrier);
      },
    ),
    { numRuns: 40 },
  );
});

test('route - nobody with a longer matching prefix, or as long and of lower order, is passed over', () => {
  fc.assert(
    fc.property(someCarriers, digits(5, 8), (carriers, address) => {
      const rank = ({ prefixes, order }: (typeof carriers)[number]) => {
        const lengths = prefixes.filter((prefix) => address.startsWith(prefix)).map((prefix) => prefix.length);
        return lengths.length === 0 ? undefined : { length: Math.max(...lengths), order };
      };
      const route = routeOf(routeTable(carriers), address);
      const serving = carriers.filter((carrier) => rank(carrier) !== undefined);
      const listed = route === undefined ? [] : [route.carrier, ...route.fallbacks];
      expect(new Set(listed)).toEqual(new Set(serving.map((carrier) => carrier.name)));
      expect(listed).toHaveLength(serving.length);
      const chosen = serving.find((carrier) => carrier.name === route?.carrier);
      for (const other of serving) {
        const [mine, theirs] = [rank(chosen!)!, rank(other)!];
        expect(theirs.length < mine.length || (theirs.length === mine.length && theirs.order >= mine.order)).toBe(true);
      }
    }),
  );
});

test('route - a carrier that is down gives way to its fallback, and is kept where it has none', () => {
  const carriers = [
    { name: 'main', prefixes: ['33', '34'], order: 0 },
    { name: 'spare', prefixes: ['33'], order: 1 },
  ];
  const table = routeTable(carriers, (name) => name !== 'main');
  expect(routeOf(table, '336')?.carrier).toBe('spare');
  expect(routeOf(table, '346')?.carrier).toBe('main');
  expect(routeOf(table, '49')).toBeUndefined();
});
