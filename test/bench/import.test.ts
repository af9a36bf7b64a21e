/** `import` at its smallest size: the report and the tables hold every good line, and the result has its fields. */
import { expect, test } from 'vitest';
import { smokeFigures } from './smoke.ts';

test('import - every good line is in the tables, also when repeated, and the result has its fields', async () => {
  const figures = await smokeFigures('import');
  const fields = {
    rowsPerSecond: expect.any(Number),
    peakMegabytes: expect.any(Number),
    repeatRowsPerSecond: expect.any(Number),
  };
  expect(figures).toMatchObject({ bench: 'import', ...fields });
});
