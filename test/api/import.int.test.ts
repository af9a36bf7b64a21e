/** Files of residents: good lines are stored, bad ones cost themselves only. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Caller, mobile, startApi, type TestApi } from './harness.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ importChunkRows: 3, importLineBytesMax: 2000, importBytesMax: 200_000 });
});
afterAll(() => api.stop());

const csv = { 'content-type': 'text/csv; charset=utf-8' };
const importFile = (town: Caller, body: string | Uint8Array | ReadableStream, query = ''): Promise<Answer> =>
  town.request('POST', `/residents/import${query}`, body, csv);
const names = async (town: Caller): Promise<string[]> => {
  const { body } = await town.request('GET', '/residents');
  return body.items.map((resident: { firstName: string }) => resident.firstName);
};

test('import - good lines are stored, bad ones are reported by line and field', async () => {
  const town = await api.organisation();
  const lines = [
    'externalReference;First Name;lastName;mobile;landline;language',
    `1;Zoé;Durand;${mobile(1)};05 46 00 00 00;fr`,
    `2;Paul;Petit;12;;fr`,
    '',
    `3;Anne;"Le ""Goff"" ; née Roux";06 39 98 00 03;;FR`,
    `4;Cut;short`,
    `5;Bad;Language;;;french`,
    `6;Premium;Number;08 90 12 34 56;;`,
    `;;;;;`,
    `7;Last;Line;+33 6 39 98 00 07;;`,
  ];
  const answer = await importFile(town, lines.join('\r\n'));
  expect(answer.body).toEqual({
    read: 8,
    created: 3,
    updated: 0,
    refused: 5,
    errors: [
      { line: 3, field: 'mobile', message: expect.any(String) },
      { line: 6, field: '', message: 'the line has 3 fields and the header 6' },
      { line: 7, field: 'language', message: expect.any(String) },
      { line: 8, field: 'mobile', message: 'this is a premium or shared-cost number' },
      { line: 9, field: '', message: expect.any(String) },
    ],
    errorsTruncated: false,
  });
  expect(answer.status).toBe(200);
  const { body } = await town.request('GET', '/residents');
  expect(body.items[1]).toMatchObject({ lastName: 'Le "Goff" ; née Roux', language: 'fr' });
  expect(body.items[0]?.contacts).toEqual([
    { channel: 'sms', address: mobile(1), optedOut: false },
    { channel: 'voice', address: '+33546000000', optedOut: false },
  ]);
});

test('import - updates by reference only the columns that the file has, and keeps opted-out numbers', async () => {
  const town = await api.organisation();
  await town.request('POST', '/residents', {
    externalReference: 'A',
    firstName: 'Old',
    city: 'Exempleville',
    contacts: [{ address: mobile(1), optedOut: true }, { address: mobile(2) }],
  });
  const noNumbers = await importFile(town, 'externalReference,firstName\nA,New\nB,Other\n');
  expect(noNumbers.body).toMatchObject({ read: 2, created: 1, updated: 1, refused: 0 });
  const [a] = (await town.request('GET', '/residents?externalReference=A')).body.items;
  expect(a).toMatchObject({ firstName: 'New', city: 'Exempleville' });
  expect(a?.contacts).toHaveLength(2);
  await importFile(town, `externalReference,phone\nA,${mobile(3)}\nA,${mobile(4)}\n`);
  const [again] = (await town.request('GET', '/residents?externalReference=A')).body.items;
  expect(again?.contacts).toEqual([
    { channel: 'sms', address: mobile(1), optedOut: true },
    { channel: 'sms', address: mobile(4), optedOut: false },
  ]);
});

test('import - puts everybody on a list, and refuses one of somebody else', async () => {
  const town = await api.organisation();
  const other = await api.organisation();
  const { body: list } = await town.request('POST', '/lists', { name: 'All' });
  const file = 'firstName,externalReference\nA,1\nB,2\nC,3\nD,4\nE,\n';
  expect((await importFile(town, file, `?list=${list.id}`)).body.created).toBe(5);
  expect((await town.request('GET', `/lists/${list.id}`)).body.residents).toBe(5);
  expect((await importFile(town, file, `?list=${list.id}`)).body).toMatchObject({ created: 1, updated: 4 });
  const foreign = await importFile(other, file, `?list=${list.id}`);
  expect(foreign).toMatchObject({ status: 404, body: { type: 'urn:tocsin:problem:unknown-list', field: 'list' } });
  expect(await names(other)).toEqual([]);
});

test('import - a byte order mark is no part of the header, and any cutting of the bytes reads the same', async () => {
  const bytes = new TextEncoder().encode('\ufefffirstName,city\nZoé,"A\nB"\nÉloïse,C\nLéo,D\n');
  for (const size of [1, 2, 3, 7, 1000]) {
    const town = await api.organisation();
    const stream = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.subarray(at, at + size));
        controller.close();
      },
    });
    const { body } = await importFile(town, stream);
    expect(body, String(size)).toMatchObject({ read: 3, created: 2, errors: [{ line: 2, field: 'city' }] });
    expect(await names(town)).toEqual(['Éloïse', 'Léo']);
  }
});

test('import - lines of another encoding cost themselves only', async () => {
  const town = await api.organisation();
  const body = Buffer.concat([Buffer.from('firstName\nZoé\n'), Buffer.from('Zoé\n', 'latin1'), Buffer.from('Éloi\n')]);
  const answer = await importFile(town, body);
  expect(answer.body).toMatchObject({
    read: 3,
    created: 2,
    errors: [{ line: 3, field: '', message: 'the line is not UTF-8' }],
  });
  expect(await names(town)).toEqual(['Zoé', 'Éloi']);
});

test('import - quotes that are wrong cost their line only', async () => {
  const town = await api.organisation();
  const many = Array.from({ length: 30 }, (_, n) => `F${n},Y`).join('\n');
  const file = `firstName,city\nA,X\nB,"open\nC,X\nD,mid"dle" x\nE,"Z" z\n${many}\n"G",X\nH,"end`;
  const { body } = await importFile(town, file);
  expect(body.errors.map((error: { line: number }) => error.line)).toEqual([3, 5, 6, 38]);
  expect(body).toMatchObject({ read: 37, created: 33, refused: 4 });
});

test('import - a line that is too long costs itself only, however the bytes come', async () => {
  const town = await api.organisation();
  const file = `firstName,city\nA,X\nB,${'y'.repeat(100_000)}\nC,X\n`;
  const whole = await importFile(town, file);
  expect(whole.body).toMatchObject({ created: 2, errors: [{ line: 3, message: 'the line has more than 2000 bytes' }] });
  const bytes = new TextEncoder().encode(file);
  const stream = new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 777) controller.enqueue(bytes.subarray(at, at + 777));
      controller.close();
    },
  });
  const chunked = await importFile(await api.organisation(), stream);
  expect(chunked.body).toEqual(whole.body);
});

test('import - a report names at most 1,000 errors and counts the rest', async () => {
  const town = await api.organisation();
  const { body } = await importFile(town, `phone\n${'12\n'.repeat(1500)}`);
  expect(body).toMatchObject({ read: 1500, refused: 1500, created: 0, errorsTruncated: true });
  expect(body.errors).toHaveLength(1000);
});

test('import - a file that cannot be read, or breaks off, stores nothing', async () => {
  const town = await api.organisation();
  const problems: [string | Uint8Array, number, string][] = [
    ['', 422, 'csv'],
    ['name,city\nA,B\n', 422, 'csv'],
    ['firstName,first_name\nA,B\n', 422, 'csv'],
    [Buffer.from('\ufefffirstName\nA\n', 'utf16le'), 422, 'csv'],
    [Buffer.from('firstName\nA\n', 'utf16le'), 422, 'csv'],
    [`firstName\n${'A\n'.repeat(150_000)}`, 413, 'too-large'],
  ];
  for (const [file, status, kind] of problems) {
    const answer = await importFile(town, file);
    expect(answer).toMatchObject({ status, body: { type: `urn:tocsin:problem:${kind}` } });
  }
  const json = await town.request('POST', '/residents/import', 'firstName\nA\n');
  expect(json).toMatchObject({ status: 415, body: { type: 'urn:tocsin:problem:media-type' } });
  const latin = await town.request('POST', '/residents/import', 'firstName\nA\n', {
    'content-type': 'text/csv; charset=iso-8859-1',
  });
  expect(latin.status).toBe(415);
  const broken = new ReadableStream({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode(`firstName\n${'A\n'.repeat(20)}`));
      controller.error(new Error('the client went away'));
    },
  });
  expect(await importFile(town, broken)).toMatchObject({
    status: 400,
    body: { type: 'urn:tocsin:problem:broken-off' },
  });
  expect(await names(town)).toEqual([]);
});

test('import - more at once than allowed are asked to come again', async () => {
  const town = await api.organisation();
  const reading: ReadableStreamDefaultController[] = [];
  const upload = () =>
    new ReadableStream(
      {
        pull(controller) {
          reading.push(controller);
          return new Promise(() => undefined);
        },
      },
      { highWaterMark: 0 },
    );
  const running = [importFile(town, upload()), importFile(town, upload())];
  await expect.poll(() => reading.length).toBe(2);
  const third = await importFile(town, 'firstName\nA\n');
  expect(third).toMatchObject({ status: 503, body: { type: 'urn:tocsin:problem:busy' } });
  expect(third.headers.get('retry-after')).toBe('5');
  for (const controller of reading) {
    controller.enqueue(new TextEncoder().encode('firstName\nA\n'));
    controller.close();
  }
  for (const answer of await Promise.all(running)) expect(answer).toMatchObject({ status: 200 });
});

test('import - two of one organisation take turns, whatever the order of their lines', async () => {
  const town = await api.organisation();
  const people = Array.from({ length: 40 }, (_, n) => `R${n},${mobile(n)}`);
  const file = (lines: readonly string[]) => `externalReference,mobile\n${lines.join('\n')}\n`;
  const answers = await Promise.all([importFile(town, file(people)), importFile(town, file(people.toReversed()))]);
  const kinds = answers.map((answer) => (answer.body.created === 40 ? 'created' : 'updated'));
  expect(new Set(kinds)).toEqual(new Set(['created', 'updated']));
  for (const { body } of answers) expect(body).toMatchObject({ read: 40, refused: 0 });
  expect(await names(town)).toHaveLength(40);
});

test('import - of two lines with one reference the later holds, in one chunk and across two', async () => {
  const town = await api.organisation();
  const lines = ['A,1', 'A,2', 'B,1', 'C,1', 'D,1', 'A,3', 'D,2'];
  const { body } = await importFile(town, `externalReference,firstName\n${lines.join('\n')}\n`);
  expect(body).toMatchObject({ read: 7, created: 4, updated: 3 });
  expect(await names(town)).toEqual(['3', '1', '1', '2']);
});
