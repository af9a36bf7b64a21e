/** The bench `start`. */
import { defineBench } from './harness.ts';

export const start = defineBench({
  name: 'start',
  about: '',
  options: {},
  smoke: {},
  showings: [],
  run: () => Promise.resolve({ figures: {}, tables: [] }),
});
