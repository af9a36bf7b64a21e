/** A fault as a person is told it: what happened, and one by one what is behind it. Pure. */
import type { Fault } from '../src/fault.ts';

/** A line for what happened, and an indented one for each detail and cause. Holds no secret, as no fault does. */
export function wordsOf(fault: Fault): string {
  const details = fault.details.filter((detail) => !fault.message.includes(detail));
  const because: string[] = [];
  for (let cause = fault.cause; cause instanceof Error; cause = cause.cause) {
    // Several addresses of one name fail with one error, whose message is empty.
    const errors = cause instanceof AggregateError ? (cause.errors as unknown[]) : [];
    because.push(cause.message, ...errors.map((error) => (error instanceof Error ? error.message : '')));
  }
  return [fault.message, ...details, ...because].filter((line) => line !== '').join('\n  ');
}
