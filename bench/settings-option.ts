/** The option `--settings name=value,…` of benches that start a cluster. Pure. */
import { settingsSchema } from '../config/schema.ts';

/** Settings by name. Throws `RangeError` for a name that is none. */
export function settingsOf(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', value = ''] = pair.split('=');
      if (!Object.hasOwn(settingsSchema.shape, name)) throw new RangeError(`--settings: there is no setting "${name}"`);
      return [name, value] as const;
    }),
  );
}
