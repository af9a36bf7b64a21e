/**
 * PDUs that come a few times in a connection's life, to and from bytes: bind, unbind, enquire_link, generic_nack
 * and whatever unusual a carrier sends. In the worker's main thread and the simulator. The `smpp` package does the
 * work and is only ever handed buffers of its own, inside try/catch: it throws on malformed bodies. submit_sm,
 * deliver_sm and their responses have codecs of their own; messages must never come through here. Pure.
 */

import assert from 'node:assert';
import smpp from 'smpp';
import {
  type CommandName,
  commandId,
  commandName,
  commandOffset,
  headerBytes,
  interfaceVersion,
  lengthOffset,
  sequenceOffset,
  statusOffset,
} from './command.ts';

/** The four integers that open a PDU (SMPP 3.4 §3.2). All unsigned. */
export type PduHeader = {
  readonly length: number;
  readonly commandId: number;
  readonly status: number;
  readonly sequence: number;
};

/** Which way messages go over a bind (SMPP 3.4 §2.2.1). */
export type BindType = 'transceiver' | 'transmitter' | 'receiver';

/** The fields of a bind request (SMPP 3.4 §4.1.1, §4.1.3, §4.1.5). */
export type BindFields = {
  readonly type: BindType;
  readonly systemId: string;
  readonly password: string;
  readonly systemType: string;
  readonly addrTon: number;
  readonly addrNpi: number;
  readonly addressRange: string;
};

/** A bind request as it was received. */
export type DecodedBind = BindFields & { readonly sequence: number; readonly interfaceVersion: number };

/** What came out of a PDU: its fields and TLVs by the specification's names, or why it cannot be read. */
export type DecodedPdu =
  | {
      readonly kind: 'pdu';
      readonly header: PduHeader;
      readonly command: CommandName;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | {
      readonly kind: 'unreadable';
      /** `length`: not one whole PDU · `command`: SMPP 3.4 has no such command · `body`: its fields are malformed. */
      readonly reason: 'length' | 'command' | 'body';
      readonly cause?: unknown;
    };

/** `command_id` of the request and the response of each way to bind. */
export const bindCommands: Readonly<Record<BindType, { readonly request: number; readonly response: number }>> = {
  transceiver: { request: commandId.bind_transceiver, response: commandId.bind_transceiver_resp },
  transmitter: { request: commandId.bind_transmitter, response: commandId.bind_transmitter_resp },
  receiver: { request: commandId.bind_receiver, response: commandId.bind_receiver_resp },
};

/**
 * Longest text of each bind field, in octets without the closing NUL. system_type and address_range as in SMPP 3.4
 * §5.2.3 and §5.2.7; system_id and password wider than its 15 and 8, because carriers issue longer ones.
 */
export const bindTextBytesMax = { systemId: 64, password: 64, systemType: 12, addressRange: 40 } as const;

/**
 * Names the first text field of a bind that cannot be sent, for the check of a carriers file: too long, or holding
 * anything but printable ASCII (a NUL would shift every later field). Undefined when all is well.
 */
export function unsendableBindField(
  fields: Pick<BindFields, keyof typeof bindTextBytesMax>,
): keyof typeof bindTextBytesMax | undefined {
  const names = ['systemId', 'password', 'systemType', 'addressRange'] as const;
  return names.find((name) => fields[name].length > bindTextBytesMax[name] || !/^[ -~]*$/.test(fields[name]));
}

/** Reads the header at `start`; `buffer` must hold `headerBytes` from there. */
export function readHeader(buffer: Buffer, start: number): PduHeader {
  return {
    length: buffer.readUInt32BE(start + lengthOffset),
    commandId: buffer.readUInt32BE(start + commandOffset),
    status: buffer.readUInt32BE(start + statusOffset),
    sequence: buffer.readUInt32BE(start + sequenceOffset),
  };
}

/** A bind request with interface_version 0x34. A field that cannot be sent is a bug: it was checked before. */
export function encodeBind(fields: BindFields, sequence: number): Buffer {
  const unsendable = unsendableBindField(fields);
  assert(unsendable === undefined, `bind field ${unsendable} cannot be sent`);
  const pdu = new smpp.PDU(`bind_${fields.type}`, {
    sequence_number: sequence,
    system_id: fields.systemId,
    password: fields.password,
    system_type: fields.systemType,
    interface_version: interfaceVersion,
    addr_ton: fields.addrTon,
    addr_npi: fields.addrNpi,
    address_range: fields.addressRange,
  });
  return pdu.toBuffer();
}

/**
 * The response to a bind, with our system_id and sc_interface_version 0x34 (SMPP 3.4 §4.1.2). One that refuses has
 * no body.
 */
export function encodeBindResp(type: BindType, systemId: string, status: number, sequence: number): Buffer {
  const pdu = new smpp.PDU(`bind_${type}_resp`, {
    command_status: status,
    sequence_number: sequence,
    system_id: systemId,
    sc_interface_version: interfaceVersion,
  });
  return pdu.toBuffer();
}

/** A PDU that is only a header: enquire_link, unbind, their responses, generic_nack, refusals. */
export function encodeHeaderOnly(id: number, status: number, sequence: number): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes);
  bytes.writeUInt32BE(headerBytes, lengthOffset);
  bytes.writeUInt32BE(id, commandOffset);
  bytes.writeUInt32BE(status, statusOffset);
  bytes.writeUInt32BE(sequence, sequenceOffset);
  return bytes;
}

/**
 * Reads one whole PDU of any command. Never throws, and keeps nothing of `bytes`. Fields are as the package reads
 * them: integers, strings, Buffers, and times as a Date when they are not empty.
 */
export function decodePdu(bytes: Buffer): DecodedPdu {
  if (bytes.length < headerBytes) return { kind: 'unreadable', reason: 'length' };
  const header = readHeader(bytes, 0);
  if (header.length !== bytes.length) return { kind: 'unreadable', reason: 'length' };
  const command = commandName(header.commandId);
  if (command === undefined) return { kind: 'unreadable', reason: 'command' };
  try {
    const pdu = new smpp.PDU(Buffer.from(bytes));
    const fields = Object.fromEntries(Object.entries(pdu).filter(([name]) => !headerFields.has(name)));
    return { kind: 'pdu', header, command, fields };
  } catch (cause) {
    return { kind: 'unreadable', reason: 'body', cause };
  }
}

/** Own properties of the package's PDU that are its header, not its fields. */
const headerFields = new Set(['command', 'command_length', 'command_id', 'command_status', 'sequence_number']);

/** Reads a bind request; undefined when `bytes` is not exactly one with all its fields. */
export function decodeBind(bytes: Buffer): DecodedBind | undefined {
  const decoded = decodePdu(bytes);
  if (decoded.kind !== 'pdu') return undefined;
  const type = (Object.keys(bindCommands) as BindType[]).find(
    (candidate) => bindCommands[candidate].request === decoded.header.commandId,
  );
  const { system_id, password, system_type, interface_version, addr_ton, addr_npi, address_range } = decoded.fields;
  const isBind =
    type !== undefined &&
    typeof system_id === 'string' &&
    typeof password === 'string' &&
    typeof system_type === 'string' &&
    typeof interface_version === 'number' &&
    typeof addr_ton === 'number' &&
    typeof addr_npi === 'number' &&
    typeof address_range === 'string';
  if (!isBind) return undefined;
  return {
    type,
    sequence: decoded.header.sequence,
    systemId: system_id,
    password,
    systemType: system_type,
    interfaceVersion: interface_version,
    addrTon: addr_ton,
    addrNpi: addr_npi,
    addressRange: address_range,
  };
}
