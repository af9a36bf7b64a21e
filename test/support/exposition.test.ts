/** The reader of Prometheus text exposition, which judges what processes say. */
import { expect, test } from 'vitest';
import { readExposition } from './exposition.ts';

const head = '# HELP a Some "help".\n# TYPE a counter\n';

test('exposition - families, labels and values are read', () => {
  const text = `${head}a{b="x\\"y\\\\z",c=""} 3\na 1e+3\n\n# HELP h H\n# TYPE h histogram
h_bucket{le="0.1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 0.5\nh_count 2\n`;
  const families = readExposition(text);
  expect(families.get('a')).toEqual({
    name: 'a',
    help: 'Some "help".',
    type: 'counter',
    samples: [
      { name: 'a', labels: { b: 'x"y\\z', c: '' }, value: 3 },
      { name: 'a', labels: {}, value: 1000 },
    ],
  });
  expect(families.get('h')?.samples).toHaveLength(4);
});

test.each([
  ['a sample without TYPE', 'a 1\n'],
  ['a sample of another family', `${head}b 1\n`],
  ['a sample twice', `${head}a 1\na 1\n`],
  ['a family twice', `${head}a 1\n${head}`],
  ['a label without quotes', `${head}a{b=c} 1\n`],
  ['no number', `${head}a one\n`],
  ['a line that does not end', `${head}a 1`],
  ['buckets that fall', '# HELP h H\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_count 1\n'],
  ['a count of its own', '# HELP h H\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_count 2\n'],
])('exposition - is refused: %s', (_, text) => {
  expect(() => readExposition(text)).toThrow();
});
