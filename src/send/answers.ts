/**
 * What carriers answer, judged: each written frame ends in an outcome in its batch's ledger, or is to be written again.
 * Runs on the worker's main thread, once for every message. Decides by src/send/retry.ts alone.
 */
import type { Bind } from '../carrier/bind.ts';
import type { LateAnswer } from '../carrier/link.ts';
import type { Clock } from '../clock.ts';
import { type Disposition, statusOf } from '../smpp/command-status.ts';
import { canonicalId, type MessageIdSpelling } from '../smpp/message-id.ts';
import type { Log } from '../telemetry.ts';
import type { SenderCounts } from './counts.ts';
import { type LateAnswers, type OverdueSegment, overdueSegment } from './late.ts';
import type { Recording } from './recording.ts';
import { decide, type Happening, type RetryLimits } from './retry.ts';
import type { Held, Stock } from './stock.ts';

/** What judging answers needs. */
export type AnswersParts = {
  readonly stock: Stock;
  readonly recording: Recording;
  readonly late: LateAnswers;
  readonly binds: { pump(): void };
  readonly messageId: MessageIdSpelling;
  readonly retry: RetryLimits;
  readonly clock: Clock;
  readonly log: Log;
};

/** The answers of one carrier. */
export class Answers {
  readonly #parts: AnswersParts;
  #cancelAgain: () => void = () => undefined;
  #againAtMs = Number.POSITIVE_INFINITY;

  constructor(parts: AnswersParts) {
    this.#parts = parts;
  }

  /** An answer to a frame. */
  answered(bind: Bind, ticket: number, commandStatus: number, messageId: string): void {
    if (commandStatus === 0) return this.#accepted(ticket, messageId);
    const disposition = this.#heed(bind, commandStatus, this.#parts.stock.of(ticket).counts);
    this.#judge(ticket, disposition, commandStatus, messageId);
  }

  /** What a refusal says of the bind; returns what it says of the message. */
  #heed(bind: Bind, commandStatus: number, counts: SenderCounts): Disposition {
    const { disposition } = statusOf(commandStatus);
    if (disposition === 'throttle') {
      counts.throttled++;
      bind.pace.throttled(this.#parts.clock.monotonicMs());
    } else if (disposition === 'pause-bind' || disposition === 'stop-account') {
      if (bind.isBound) this.#parts.log.warn('carrier.bind-refused', { commandStatus });
      bind.rebind();
    }
    return disposition;
  }

  /** A frame was written and no answer will come. */
  lost(ticket: number): void {
    this.#judge(ticket, 'unanswered', 0, '');
  }

  /**
   * A frame was written and is not answered within its deadline; see `LinkHandlers`. A refusal that comes later is
   * certain: what became `unknown` was not taken. It is rejected with the carrier's reason, also where a refusal in
   * time would have been tried again, since its batch may be gone. An alert that is written again comes to what the
   * carrier says of the last time.
   */
  overdue(bind: Bind, ticket: number): LateAnswer {
    const frame = this.#parts.stock.frameOf(ticket);
    const held = this.#parts.stock.of(ticket);
    const overdue = overdueSegment(held, held.ledger, frame);
    this.lost(ticket);
    const isWrittenAgain = held.ledger.isAgain(frame);
    return (commandStatus, messageId) => {
      if (commandStatus === 0) return this.#acceptedLate(overdue, frame, messageId, held.counts);
      this.#heed(bind, commandStatus, held.counts);
      if (isWrittenAgain) return;
      held.counts.rejected++;
      this.#parts.late.add(overdue, 'rejected', commandStatus, '');
    };
  }

  /** An alert's frame may wait to be written again: it need not be. */
  #acceptedLate(overdue: OverdueSegment, frame: number, rawId: string, counts: SenderCounts): void {
    const messageId = rawId === '' ? '' : canonicalId(rawId, this.#parts.messageId, 'response');
    counts.accepted++;
    const held = this.#parts.stock.find(overdue);
    if (held === undefined || held.isLeaving || !held.ledger.spare(frame))
      return this.#parts.late.add(overdue, 'accepted', 0, messageId);
    held.ledger.settle(frame, 'accepted', 0, messageId);
    this.#parts.recording.touched(held);
  }

  /** What `#judge` would come to, without the way there: nearly every answer is this one. */
  #accepted(ticket: number, rawId: string): void {
    const held = this.#parts.stock.of(ticket);
    held.inFlight--;
    held.counts.accepted++;
    const messageId = rawId === '' ? '' : canonicalId(rawId, this.#parts.messageId, 'response');
    held.ledger.settle(this.#parts.stock.frameOf(ticket), 'accepted', 0, messageId);
    this.#parts.recording.touched(held);
  }

  #judge(ticket: number, happening: Happening, commandStatus: number, rawId: string): void {
    const held = this.#parts.stock.of(ticket);
    const frame = this.#parts.stock.frameOf(ticket);
    held.inFlight--;
    this.decide(held, frame, happening, commandStatus, rawId);
    this.#parts.recording.touched(held);
  }

  /** What becomes of a frame by what happened to it; the batch's recording is the caller's matter. */
  decide(held: Held, frame: number, happening: Happening, commandStatus: number, rawId: string): void {
    const { ledger, content } = held;
    const decision = decide(
      happening,
      {
        nature: content.nature,
        tries: ledger.tries(frame),
        nowMs: this.#parts.clock.nowMs(),
        expiresAtMs: content.expiresAtMs,
      },
      this.#parts.retry,
    );
    if (decision.kind === 'settle') {
      const messageId = rawId === '' ? '' : canonicalId(rawId, this.#parts.messageId, 'response');
      held.counts[decision.outcome]++;
      ledger.settle(frame, decision.outcome, commandStatus, messageId);
    } else if (held.state === 'cancelled') {
      const outcome = happening === 'unanswered' ? 'unknown' : 'cancelled';
      held.counts[outcome]++;
      ledger.settle(frame, outcome, commandStatus, '');
    } else {
      held.counts.again++;
      ledger.writeAgain(frame, decision.atMs, decision.counts);
      this.#parts.stock.relist(held);
      this.#armAgain(decision.atMs);
    }
  }

  /** Wakes the pump when a frame is due to be written again. */
  #armAgain(atMs: number): void {
    if (atMs >= this.#againAtMs) return;
    const { clock, binds } = this.#parts;
    this.#cancelAgain();
    this.#againAtMs = atMs;
    this.#cancelAgain = clock.after(Math.max(1, atMs - clock.nowMs()), () => {
      this.#againAtMs = Number.POSITIVE_INFINITY;
      const nowMs = clock.nowMs();
      for (const { ledger } of this.#parts.stock.all())
        for (const again of ledger.again) if (again.atMs > nowMs) this.#armAgain(again.atMs);
      binds.pump();
    });
  }

  /** Wakes nobody any more. */
  stop(): void {
    this.#cancelAgain();
  }
}
