/** The bench `scale`. */
import { defineBench } from './harness.ts';

export const scale = defineBench({
  name: 'scale',
  about: '',
  options: {},
  smoke: {},
  showings: [],
  run: () => Promise.resolve({ figures: {}, tables: [] }),
});
