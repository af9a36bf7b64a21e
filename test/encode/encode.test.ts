/** A batch becomes the submit_sm that each recipient is meant to get, or a named refusal. Pure. */
import { expect, test } from 'vitest';
import { encodeInPlace } from '../../src/encode/encode.ts';
import { content, framesOf, partOf, shownBy, submitsOf, taskOf } from './batch.ts';

const resident = '33600000001';

function textsOf(task: Parameters<typeof framesOf>[0]): string[] {
  return [...shownBy(framesOf(task)).values()].map(({ text }) => text);
}

test('encode - each recipient gets their own text at their own address', async () => {
  const frames = await encodeInPlace(taskOf([['33600000001', 'Anne'], ['33600000002', ''], ['33600000003']]));
  expect([...shownBy(frames)]).toEqual([
    [0, { destination: '33600000001', text: 'Bonjour Anne, marché à 8h.' }],
    [1, { destination: '33600000002', text: 'Bonjour voisin, marché à 8h.' }],
    [2, { destination: '33600000003', text: 'Bonjour voisin, marché à 8h.' }],
  ]);
  expect(frames.refused).toEqual([]);
});

test('encode - the fields of submit_sm are those of the campaign and the carrier', () => {
  const task = taskOf([[resident]], { profile: { serviceType: 'CMT' }, nowMs: 3_600_000 });
  expect(submitsOf(framesOf(task))[0]).toMatchObject({
    serviceType: 'CMT',
    sourceTon: 5,
    sourceNpi: 0,
    source: 'Mairie',
    destinationTon: 1,
    destinationNpi: 1,
    destination: resident,
    esmClass: 0,
    protocolId: 0,
    priority: 0,
    scheduleDelivery: '',
    validityPeriod: '000000010000000R',
    registeredDelivery: 1,
    replaceIfPresent: 0,
    dataCoding: 0,
    tlvs: {},
  });
});

test('encode - alerts have the highest priority, and no receipt is asked for where none is wanted', () => {
  const task = taskOf([[resident]], { content: { nature: 'alert' }, profile: { receipts: false } });
  expect(submitsOf(framesOf(task))[0]).toMatchObject({ priority: 3, registeredDelivery: 0 });
});

test('encode - an unknown language gets the default text, a known one its own', () => {
  expect(textsOf(taskOf([[resident]], { language: 'de' }))).toEqual(['Guten Tag']);
  for (const language of ['it', '', 'constructor']) {
    expect(textsOf(taskOf([[resident]], { language }))).toEqual(['Bonjour voisin, marché à 8h.']);
  }
});

test('encode - a placeholder whose field is not packed takes its fallback', () => {
  expect(textsOf(taskOf([[resident]], { content: { fields: [] } }))).toEqual(['Bonjour voisin, marché à 8h.']);
});

test('encode - fields are read in the order in which they are packed', () => {
  const other = { contents: { fr: '{{city}}/{{lastName}}/{{city}}' }, fields: ['lastName', 'city'] };
  expect(textsOf(taskOf([[resident, 'Durand', 'Lans', 'more']], { content: other }))).toEqual(['Lans/Durand/Lans']);
});

test('encode - an address that is not 5 to 15 digits is refused, its neighbours are sent', () => {
  const addresses = ['1234', '12345', '123456789012345', '1234567890123456', '+33600000001', '', '33600000x01'];
  for (const fr of ['Bonjour', 'Bonjour {{firstName}}']) {
    const task = taskOf(
      addresses.map((address) => [address, 'Anne']),
      { content: { contents: { fr } } },
    );
    const frames = framesOf(task);
    expect(submitsOf(frames).map(({ destination }) => destination)).toEqual(['12345', '123456789012345']);
    expect(frames.refused).toEqual([0, 3, 4, 5, 6].map((index) => ({ index, reason: 'address' })));
  }
});

test('encode - a text that personalisation makes too long is refused, the others are sent', () => {
  const task = taskOf(
    [
      [resident, 'Anne'],
      [resident, 'A'.repeat(400)],
    ],
    { profile: { segmentsMax: 2 } },
  );
  const frames = framesOf(task);
  expect([...shownBy(frames).keys()]).toEqual([0]);
  expect(frames.refused).toEqual([{ index: 1, reason: 'too-long' }]);
});

test('encode - a payload is refused by the segments that the carrier would make of it', () => {
  const task = (length: number) =>
    taskOf([[resident]], {
      content: { contents: { fr: 'a'.repeat(length) } },
      profile: { segmentsMax: 2, longMessages: 'payload' },
    });
  expect(framesOf(task(306)).refused).toEqual([]);
  expect(framesOf(task(307)).refused).toEqual([{ index: 0, reason: 'too-long' }]);
});

test('encode - nothing left to say is refused', () => {
  const task = taskOf([[resident, ' '], [resident, 'Anne'], [resident]], {
    content: { contents: { fr: '{{firstName}}' } },
  });
  expect(framesOf(task).refused).toEqual([0, 2].map((index) => ({ index, reason: 'empty' })));
});

test('encode - a campaign that cannot be sent refuses every recipient and says why', () => {
  const recipients = [[resident], [resident]];
  const broken = taskOf(recipients, { content: { contents: { fr: '{{wrong}}' } } });
  expect(framesOf(broken).refused).toEqual([0, 1].map((index) => ({ index, reason: 'content' })));
  expect(framesOf(taskOf(recipients, { content: { contents: {} } })).refused).toHaveLength(2);
  for (const sender of ['Mairie d’Exemple', 'ACME\u0000999', 'abcdefghijkl', '']) {
    const refused = framesOf(taskOf(recipients, { content: { sender } })).refused;
    expect(refused, sender).toEqual([0, 1].map((index) => ({ index, reason: 'sender' })));
  }
});

test('encode - only the indexes asked for are encoded or refused', () => {
  const recipients = ['33600000000', '1', '33600000002', '33600000003', '2'].map((address) => [address]);
  for (const fr of ['Bonjour', 'Bonjour {{firstName}}']) {
    const frames = framesOf(taskOf(recipients, { only: [1, 2], content: { contents: { fr } } }));
    expect([...frames.recipient]).toEqual([2]);
    expect(frames.refused).toEqual([{ index: 1, reason: 'address' }]);
  }
  expect(framesOf(taskOf(recipients, { only: [] }))).toMatchObject({ refused: [], offsets: new Uint32Array(1) });
});

test('encode - a batch that holds more or fewer recipients than it says is a fault', () => {
  for (const recipients of [0, 1, 3]) {
    const task = taskOf([[resident], [resident]], { recipients });
    expect(() => framesOf(task)).toThrow(expect.objectContaining({ code: 'unreadable' }));
  }
  expect(framesOf(taskOf([]))).toMatchObject({ refused: [] });
});

test('encode - parts of a message share a reference, which comes from campaign and ordinal alone', () => {
  const constant = 'a'.repeat(200);
  const references = (
    firstOrdinal: number,
    campaign = content.campaign,
    longMessages: 'udh' | 'sar' = 'udh',
    fr = constant,
  ) => {
    const task = taskOf([[resident], [resident]], {
      firstOrdinal,
      content: { contents: { fr }, campaign },
      profile: { longMessages },
    });
    return submitsOf(framesOf(task)).map((submit) => partOf(submit).reference);
  };
  const [first, second, third, fourth] = references(500);
  expect([first, third]).toEqual([second, fourth]);
  expect(first).not.toBe(third);
  expect(references(501).slice(0, 2)).toEqual([third, third]);
  expect(references(500, undefined, 'sar')).toEqual(references(500));
  expect(references(500, undefined, 'udh', `{{firstName|b}}${constant}`)).toEqual(references(500));
  expect(references(500, '7265318273646')).not.toEqual(references(500));
});

test('encode - a carrier whose default alphabet is Latin-1 gets it by name, with its own limits', () => {
  const latin1 = { defaultAlphabet: 'latin1' as const };
  const encoded = (fr: string) =>
    submitsOf(framesOf(taskOf([[resident]], { content: { contents: { fr } }, profile: latin1 })));
  expect(encoded('Forêt')[0]).toMatchObject({ dataCoding: 3, shortMessage: Buffer.from('Forêt', 'latin1') });
  expect(encoded('Forêt 5 €')[0]).toMatchObject({ dataCoding: 8 });
  expect(encoded('ê'.repeat(140)).map(({ shortMessage }) => shortMessage.length)).toEqual([140]);
  expect(encoded('ê'.repeat(141)).map(({ shortMessage }) => shortMessage.length)).toEqual([140, 15]);
});

test('encode - part 255 is the last one', () => {
  const task = (length: number) =>
    taskOf([[resident]], { content: { contents: { fr: 'a'.repeat(length) } }, profile: { segmentsMax: 1000 } });
  expect(shownBy(framesOf(task(255 * 152))).get(0)?.text).toHaveLength(255 * 152);
  expect(framesOf(task(255 * 152 + 1)).refused).toEqual([{ index: 0, reason: 'too-long' }]);
});
