/** A carrier that the operator paused: nothing leaves, nothing is lost, the binds stay, and it goes on when told. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { testBatches } from '../support/lines.ts';
import { countsOf, type LoggedSmsc, loggedSmsc, SendScene, until } from './scene.ts';

let s: SendScene;
let smsc: LoggedSmsc;
beforeEach(async () => {
  s = await SendScene.open();
  smsc = await loggedSmsc({ latencyMs: 5 });
});
afterEach(async () => {
  await s.end();
  await smsc.stop();
});

const contract = { binds: 2, window: 20, ratePerSecond: 2_000 };

test('pause - what is written is answered, nothing follows, alerts neither; the binds live on', async () => {
  const [information, alert] = [s.content(), s.content({ nature: 'alert' })];
  const { lines } = await s.work(smsc.port, contract);
  await s.enqueue(information, testBatches(information, 600, 50));
  await smsc.waitFor((stats) => stats.accepted >= 100);
  lines.sender.setPaused(true);
  const written = lines.sender.counts.information.written;
  await until(() => lines.pool.inFlight === 0);
  await s.enqueue(alert, testBatches(alert, 50, 50));
  for (let round = 1; round <= 20; round++) {
    smsc.enquireAll();
    await smsc.waitFor((stats) => stats.enquiriesAnswered >= round * contract.binds);
  }
  expect((await smsc.segments()).length).toBe(written);
  expect(lines.sender.counts.information.written).toBe(written);
  expect(lines.pool.boundCount).toBe(contract.binds);
  expect(await s.redis.xlen(s.keys.campaign(alert.campaign))).toBe(1);

  lines.sender.setPaused(false);
  expect(countsOf(await s.outcomes(alert.campaign, 50))).toEqual({ accepted: 50 });
  expect(countsOf(await s.outcomes(information.campaign, 600))).toEqual({ accepted: 600 });
  const numbers = (await smsc.segments()).map(({ source, destination }) => source + destination);
  expect(numbers).toHaveLength(650);
});

test('pause - a worker that stops amid it gives back what it holds, and another goes on after it', async () => {
  const content = s.content();
  const first = await s.work(smsc.port, contract);
  await s.enqueue(content, testBatches(content, 300, 50));
  await smsc.waitFor((stats) => stats.accepted >= 50);
  first.lines.sender.setPaused(true);
  await s.workers.shift()?.stop();
  await s.work(smsc.port, contract);
  expect(countsOf(await s.outcomes(content.campaign, 300))).toEqual({ accepted: 300 });
  expect((await smsc.segments()).length).toBe(300);
});
