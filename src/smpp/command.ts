/**
 * The command ids of SMPP 3.4 and the shape of its header, in every process that touches SMPP bytes. Pure.
 * It must never know what a command's body holds: that is pdu.ts (cold) and submit.ts, deliver.ts (hot).
 */

/** Size of the header that opens every PDU, and of the smallest PDU, in bytes (SMPP 3.4 §3.2). */
export const headerBytes = 16;

/** Where `command_length` begins, in bytes from the start of a PDU (SMPP 3.4 §3.2). */
export const lengthOffset = 0;
/** Where `command_id` begins. */
export const commandOffset = 4;
/** Where `command_status` begins. */
export const statusOffset = 8;
/** Where `sequence_number` begins; a bind writes it into frames that were encoded with 0. */
export const sequenceOffset = 12;

/** The largest `sequence_number`; the next one is 1 (SMPP 3.4 §5.1.4). */
export const sequenceMax = 0x7fffffff;

/** The bit of `command_id` that marks a response (SMPP 3.4 §5.1.2). */
export const responseBit = 0x80000000;

/** The `interface_version` of SMPP 3.4 (§5.2.4), the only one that we speak. */
export const interfaceVersion = 0x34;

/** Every `command_id` of SMPP 3.4, §5.1.2.1, by its name in the specification. */
export const commandId = {
  bind_receiver: 0x00000001,
  bind_transmitter: 0x00000002,
  query_sm: 0x00000003,
  submit_sm: 0x00000004,
  deliver_sm: 0x00000005,
  unbind: 0x00000006,
  replace_sm: 0x00000007,
  cancel_sm: 0x00000008,
  bind_transceiver: 0x00000009,
  outbind: 0x0000000b,
  enquire_link: 0x00000015,
  submit_multi: 0x00000021,
  alert_notification: 0x00000102,
  data_sm: 0x00000103,
  generic_nack: 0x80000000,
  bind_receiver_resp: 0x80000001,
  bind_transmitter_resp: 0x80000002,
  query_sm_resp: 0x80000003,
  submit_sm_resp: 0x80000004,
  deliver_sm_resp: 0x80000005,
  unbind_resp: 0x80000006,
  replace_sm_resp: 0x80000007,
  cancel_sm_resp: 0x80000008,
  bind_transceiver_resp: 0x80000009,
  enquire_link_resp: 0x80000015,
  submit_multi_resp: 0x80000021,
  data_sm_resp: 0x80000103,
} as const;

/** Name of a command of SMPP 3.4. */
export type CommandName = keyof typeof commandId;

const names = new Map<number, CommandName>(
  (Object.entries(commandId) as [CommandName, number][]).map(([name, id]) => [id, name]),
);

/** Name of a `command_id` as the specification spells it; undefined when SMPP 3.4 has no such command. */
export function commandName(id: number): CommandName | undefined {
  return names.get(id);
}

/** True when a `command_id` (unsigned) is that of a response, known or not; `generic_nack` is one. */
export function isResponse(id: number): boolean {
  return id >= responseBit;
}

/** The `command_id` of the response to a request (SMPP 3.4 §5.1.2: the same with its top bit set). */
export function responseTo(requestId: number): number {
  return requestId + responseBit;
}
