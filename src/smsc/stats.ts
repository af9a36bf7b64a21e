/**
 * What a simulated carrier has counted since its start. Pure.
 */

/** Counts of one simulator. A submit_sm is one segment. */
export type SmscStats = {
  /** submit_sm that arrived, whatever became of them. */
  readonly received: number;
  readonly accepted: number;
  /** Answered ESME_RTHROTTLED or ESME_RMSGQFUL, by a limit or by chance. */
  readonly throttled: number;
  /** Taken and left without an answer on purpose. */
  readonly unanswered: number;
  /** Answers by command_status, as `0x00000058`. */
  readonly answers: Readonly<Record<string, number>>;
  /** Most submit_sm received within one second, over all binds. */
  readonly perSecondPeak: number;
  /** Most unanswered submit_sm of one bind. */
  readonly windowPeak: number;
  readonly binds: number;
  readonly bindsPeak: number;
  /** Bind requests granted, and refused for whatever reason. */
  readonly bindsAccepted: number;
  readonly bindsRefused: number;
  /** Connections that were bound and ended without an unbind, whoever ended them. */
  readonly disconnects: number;
  /** deliver_sm written, repetitions included. */
  readonly receiptsSent: number;
  readonly receiptsResent: number;
  /** deliver_sm_resp with ESME_ROK. */
  readonly receiptsAnswered: number;
  /** deliver_sm_resp with another status. */
  readonly receiptsRefused: number;
  /** Due later, waiting for a bind, or written and not answered yet. */
  readonly receiptsPending: number;
  /** enquire_link of ours that were answered. */
  readonly enquiriesAnswered: number;
  /** PDUs that were no valid SMPP here: unknown commands, unreadable bodies, impossible lengths. */
  readonly protocolErrors: number;
};

/** The counts while they change; only the simulator holds them in this form. */
export type Counters = { -readonly [K in keyof SmscStats]: SmscStats[K] } & { answers: Record<string, number> };

/** All counts at zero. */
export function zeroCounters(): Counters {
  return {
    received: 0,
    accepted: 0,
    throttled: 0,
    unanswered: 0,
    answers: {},
    perSecondPeak: 0,
    windowPeak: 0,
    binds: 0,
    bindsPeak: 0,
    bindsAccepted: 0,
    bindsRefused: 0,
    disconnects: 0,
    receiptsSent: 0,
    receiptsResent: 0,
    receiptsAnswered: 0,
    receiptsRefused: 0,
    receiptsPending: 0,
    enquiriesAnswered: 0,
    protocolErrors: 0,
  };
}

/** The key of a command_status in `answers`. */
export function statusKey(status: number): string {
  return `0x${status.toString(16).padStart(8, '0')}`;
}
