/**
 * Which carrier serves which number: longest prefix first, then the carriers' order. The same table drives
 * `routeOf` here and the planner's SQL (src/db/audience.ts). Pure.
 */

/** What routing must know of a carrier. Prefixes are digits of E.164; an empty one serves every number. */
export type RoutedCarrier = {
  readonly name: string;
  readonly prefixes: readonly string[];
  /** Among carriers with the same prefix: lowest first, the others are its fallback. */
  readonly order: number;
};

/** One prefix: its carrier, then the others that can stand in, best first. */
export type RouteEntry = { readonly prefix: string; readonly carrier: string; readonly fallbacks: readonly string[] };

/**
 * The table of all prefixes. `usable` leaves out carriers that are known to be down; a prefix that only such
 * carriers serve keeps them, since waiting for one is better than dropping its recipients.
 */
export function routeTable(
  carriers: readonly RoutedCarrier[],
  usable: (carrier: string) => boolean = () => true,
): RouteEntry[] {
  const prefixes = [...new Set(carriers.flatMap((carrier) => carrier.prefixes))].sort();
  return prefixes.map((prefix) => {
    const serving = servingOrder(carriers, prefix);
    const best = serving.filter(usable);
    const [carrier = '', ...fallbacks] = best.length > 0 ? best : serving;
    return { prefix, carrier, fallbacks };
  });
}

/** Carriers for numbers of a prefix: longest own prefix first, then order, then name; each once. */
function servingOrder(carriers: readonly RoutedCarrier[], prefix: string): string[] {
  const serving = carriers.flatMap((carrier) => {
    const lengths = carrier.prefixes.filter((own) => prefix.startsWith(own)).map((own) => own.length);
    return lengths.length === 0 ? [] : [{ ...carrier, length: Math.max(...lengths) }];
  });
  serving.sort((a, b) => b.length - a.length || a.order - b.order || (a.name < b.name ? -1 : 1));
  return serving.map((carrier) => carrier.name);
}

/** Whether other carriers serve every prefix of `carrier` now, so that nothing need wait for it. */
export function isReplaced(
  carriers: readonly RoutedCarrier[],
  usable: (carrier: string) => boolean,
  carrier: string,
): boolean {
  const own = carriers.find(({ name }) => name === carrier)?.prefixes ?? [];
  const table = routeTable(carriers, usable);
  return table
    .filter(({ prefix }) => own.some((start) => prefix.startsWith(start)))
    .every((e) => e.carrier !== carrier);
}

/** The entry with the longest prefix of `address` (digits of E.164, without plus); undefined when none serves it. */
export function routeOf(table: readonly RouteEntry[], address: string): RouteEntry | undefined {
  let best: RouteEntry | undefined;
  for (const entry of table) {
    if (address.startsWith(entry.prefix) && entry.prefix.length >= (best?.prefix.length ?? 0)) best = entry;
  }
  return best;
}
