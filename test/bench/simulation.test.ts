/**
 * `simulation` at its smallest size, twice: leases, pace and schedule hold (the bench itself checks that), and the same
 * seed gives the same result. Its picture shows every carrier and event.
 */
import { expect, test } from 'vitest';
import { drawSimulation } from '../../bench/simulation/picture.ts';
import { planOf } from '../../bench/simulation/plan.ts';
import { smokeFigures } from './smoke.ts';

test('simulation - workers that come, die, stand still and are restarted keep contracts, twice alike', async () => {
  const figures = await smokeFigures('simulation', '--rounds', '2');
  expect(figures).toMatchObject({ bench: 'simulation', binds: 17, fingerprint: expect.any(String) });
  const [first, second] = figures['rounds'] as Record<string, unknown>[];
  const { redis: _, ...deterministic } = first ?? {};
  expect(second).toMatchObject(deterministic);
});

test('simulation - the picture has an area for each carrier, and marks for what happened', () => {
  const plan = planOf({ workers: 100, organisations: 200, ratePerBind: 20, isSmall: false });
  const carriers = plan.contracts.map((contract) => ({ contract, perMs: new Uint32Array(plan.timeline.endMs + 1) }));
  const svg = drawSimulation({ plan, carriers, slotsHeld: [[400], [390]], sampleMs: 100 });
  expect(svg.match(/<polygon/g)).toHaveLength(8);
  for (const mark of ['10 killed', '20 frozen', 'alert', 'rolling restart', '100 workers on 400 binds'])
    expect(svg).toContain(mark);
  expect(svg).not.toContain('NaN');
  expect(svg.length).toBeLessThan(200_000);
});
