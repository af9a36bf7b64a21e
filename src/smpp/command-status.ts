/**
 * Every command_status of SMPP 3.4 §5.1.3 and what to do about it: the one table that carriers' refusals are judged
 * by, in every process. It must never hold a carrier's private meaning of a code. Pure.
 *
 * How the rows were judged. A refusal is an answer: the message was not taken, so trying it elsewhere doubles
 * nothing. What is wrong with the recipient, the sender or the text is wrong on every carrier: `reject`. What is
 * wrong with a field that comes from a carrier's own settings (service_type, TON, NPI, esm_class, TLVs), or with a
 * carrier's network, need not be wrong at the next one: `other-carrier`. Repeating to the same carrier is only for
 * codes that say they are temporary.
 */

/** What to do after an answer with a given command_status. */
export type Disposition =
  /** The carrier took it. */
  | 'accepted'
  /** This message is refused for good, by any carrier: settle it as rejected. */
  | 'reject'
  /** A temporary trouble of the carrier: offer the message again later; the bind goes on. */
  | 'retry-later'
  /** This carrier will not carry this message, another may; without another it is rejected. */
  | 'other-carrier'
  /** We are too fast: keep the message in hand and slow the slot down. The message is not at fault. */
  | 'throttle'
  /** The bind is of no use as it stands: give its messages back, close it, bind again after a back-off. */
  | 'pause-bind'
  /** The account is refused, so every bind of it will be: stop them, tell a person, try again slowly. */
  | 'stop-account';

/** One row of the table. */
export type CommandStatus = {
  readonly code: number;
  /** As the specification spells it. */
  readonly name: string;
  readonly disposition: Disposition;
};

/** Codes that we send or compare with, by name (SMPP 3.4 §5.1.3). */
export const commandStatus = {
  ESME_ROK: 0x00,
  ESME_RINVMSGLEN: 0x01,
  ESME_RINVCMDLEN: 0x02,
  ESME_RINVCMDID: 0x03,
  ESME_RINVBNDSTS: 0x04,
  ESME_RALYBND: 0x05,
  ESME_RSYSERR: 0x08,
  ESME_RINVSRCADR: 0x0a,
  ESME_RINVDSTADR: 0x0b,
  ESME_RBINDFAIL: 0x0d,
  ESME_RINVPASWD: 0x0e,
  ESME_RINVSYSID: 0x0f,
  ESME_RMSGQFUL: 0x14,
  ESME_RSUBMITFAIL: 0x45,
  ESME_RTHROTTLED: 0x58,
  ESME_RX_T_APPN: 0x64,
  ESME_RX_P_APPN: 0x65,
  ESME_RX_R_APPN: 0x66,
} as const;

const table: readonly (readonly [code: number, name: string, disposition: Disposition])[] = [
  [0x00, 'ESME_ROK', 'accepted'],
  [0x01, 'ESME_RINVMSGLEN', 'reject'],
  [0x02, 'ESME_RINVCMDLEN', 'reject'],
  // Says "this bind does not know submit_sm" about every message alike: rejecting would burn a whole campaign.
  [0x03, 'ESME_RINVCMDID', 'pause-bind'],
  [0x04, 'ESME_RINVBNDSTS', 'pause-bind'],
  // An old session of ours still counts at the carrier; it goes away with its idle timeout.
  [0x05, 'ESME_RALYBND', 'pause-bind'],
  [0x06, 'ESME_RINVPRTFLG', 'other-carrier'],
  [0x07, 'ESME_RINVREGDLVFLG', 'other-carrier'],
  [0x08, 'ESME_RSYSERR', 'retry-later'],
  [0x0a, 'ESME_RINVSRCADR', 'reject'],
  [0x0b, 'ESME_RINVDSTADR', 'reject'],
  [0x0c, 'ESME_RINVMSGID', 'reject'],
  // Carriers use it for wrong credentials as well as "no more binds"; a slow retry by hand or clock suits both.
  [0x0d, 'ESME_RBINDFAIL', 'stop-account'],
  [0x0e, 'ESME_RINVPASWD', 'stop-account'],
  [0x0f, 'ESME_RINVSYSID', 'stop-account'],
  [0x11, 'ESME_RCANCELFAIL', 'reject'],
  [0x13, 'ESME_RREPLACEFAIL', 'reject'],
  [0x14, 'ESME_RMSGQFUL', 'throttle'],
  [0x15, 'ESME_RINVSERTYP', 'other-carrier'],
  [0x33, 'ESME_RINVNUMDESTS', 'reject'],
  [0x34, 'ESME_RINVDLNAME', 'reject'],
  [0x40, 'ESME_RINVDESTFLAG', 'reject'],
  [0x42, 'ESME_RINVSUBREP', 'reject'],
  [0x43, 'ESME_RINVESMCLASS', 'other-carrier'],
  [0x44, 'ESME_RCNTSUBDL', 'reject'],
  // "submit_sm failed" and no more: no route, no credit, blocked number. Nothing says that waiting would help, and
  // nothing that another carrier would fail as well.
  [0x45, 'ESME_RSUBMITFAIL', 'other-carrier'],
  [0x48, 'ESME_RINVSRCTON', 'other-carrier'],
  [0x49, 'ESME_RINVSRCNPI', 'other-carrier'],
  [0x50, 'ESME_RINVDSTTON', 'other-carrier'],
  [0x51, 'ESME_RINVDSTNPI', 'other-carrier'],
  [0x53, 'ESME_RINVSYSTYP', 'stop-account'],
  [0x54, 'ESME_RINVREPFLAG', 'reject'],
  [0x55, 'ESME_RINVNUMMSGS', 'reject'],
  [0x58, 'ESME_RTHROTTLED', 'throttle'],
  [0x61, 'ESME_RINVSCHED', 'reject'],
  // Carriers differ in the longest validity_period that they allow, and in taking the relative form.
  [0x62, 'ESME_RINVEXPIRY', 'other-carrier'],
  [0x63, 'ESME_RINVDFTMSGID', 'reject'],
  [0x64, 'ESME_RX_T_APPN', 'retry-later'],
  [0x65, 'ESME_RX_P_APPN', 'reject'],
  [0x66, 'ESME_RX_R_APPN', 'reject'],
  [0x67, 'ESME_RQUERYFAIL', 'reject'],
  [0xc0, 'ESME_RINVOPTPARSTREAM', 'other-carrier'],
  [0xc1, 'ESME_ROPTPARNOTALLWD', 'other-carrier'],
  [0xc2, 'ESME_RINVPARLEN', 'reject'],
  [0xc3, 'ESME_RMISSINGOPTPARAM', 'other-carrier'],
  [0xc4, 'ESME_RINVOPTPARAMVAL', 'other-carrier'],
  [0xfe, 'ESME_RDELIVERYFAILURE', 'reject'],
  [0xff, 'ESME_RUNKNOWNERR', 'other-carrier'],
];

/** Every command_status that SMPP 3.4 defines, by code ascending. */
export const commandStatuses: readonly CommandStatus[] = table.map(([code, name, disposition]) =>
  Object.freeze({ code, name, disposition }),
);

/** By code, for codes below 0x100: all that SMPP 3.4 defines. */
const byCode: (CommandStatus | undefined)[] = Array.from({ length: 0x100 });
for (const status of commandStatuses) byCode[status.code] = status;

/**
 * The row of a command_status. One that SMPP 3.4 does not define (0x400 to 0x4ff are the carriers' own) is a
 * refusal like any other: `reject`, named `ESME_0x` and the code in hexadecimal, at least four digits.
 */
export function statusOf(code: number): CommandStatus {
  const known = code < 0x100 ? byCode[code] : undefined;
  if (known !== undefined) return known;
  return { code, name: `ESME_0x${code.toString(16).padStart(4, '0')}`, disposition: 'reject' };
}
