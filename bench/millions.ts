/** The bench `millions`. */
import { defineBench } from './harness.ts';

export const millions = defineBench({
  name: 'millions',
  about: '',
  options: {},
  smoke: {},
  showings: [],
  run: () => Promise.resolve({ figures: {}, tables: [] }),
});
