/**
 * Traces: the way of one request through all processes. Everything that is traced knows only this; what is behind it is
 * brought by `cluster/tracing.ts` when it is switched on, and is nothing at all otherwise. Context goes as text, in the
 * form of W3C's `traceparent`, with what a stage hands to the next. Pure.
 */

/** What a span says: ids, counts and codes; never a number, a name or a text. */
export type SpanFields = Readonly<Record<string, string | number | boolean>>;

/** A stretch of work. */
export type Span = {
  /** What makes other spans its children; undefined when it is not traced. */
  readonly traceParent: string | undefined;
  /** Notes that something happened now. */
  event(name: string): void;
  /** Ends it now, perhaps under a name that is only known by now. */
  end(fields?: SpanFields, name?: string): void;
};

/** Makes spans. */
export type Tracer = {
  /** A span that begins a trace, or goes on with that of `parent`. */
  root(name: string, parent: string | undefined): Span;
  /** A span of a trace that was begun; nothing is traced without a `parent`. `fromMs`: epoch; now when absent. */
  child(name: string, parent: string | undefined, fields?: SpanFields, fromMs?: number): Span;
};

/** A span that is not traced. */
export const noSpan: Span = { traceParent: undefined, event: () => undefined, end: () => undefined };

/** Traces nothing. */
export const noTracer: Tracer = { root: () => noSpan, child: () => noSpan };

/** The trace's id, for log lines. */
export function traceIdOf(traceParent: string | undefined): string | undefined {
  return traceParent?.split('-')[1];
}
