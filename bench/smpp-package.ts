/**
 * The `smpp` package's client as benches drive it, in good faith: Nagle's algorithm off, version 3.4, texts as Buffers
 * that are ready beforehand. Only for measuring it: its sessions must never carry our traffic.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { gsmSeptets, writeGsm } from '../src/text/gsm7.ts';
import { sender, validityPeriod } from './edge/task.ts';

/** What benches use of the package's session; its types in src/smpp leave sessions out on purpose. */
export type PackageSession = {
  readonly socket: Socket;
  on(event: string, listener: (...args: never[]) => void): void;
  bind_transceiver(fields: object, onAnswer: (pdu: PackageAnswer) => void): boolean;
  submit_sm(fields: object, onAnswer: (pdu: PackageAnswer) => void): boolean;
  unbind(onAnswer: () => void): boolean;
  send(pdu: object): boolean;
  close(onClosed?: () => void): void;
};

/** A PDU of the package, as far as it is read here. */
export type PackageAnswer = {
  readonly command_status: number;
  readonly message_id?: string;
  response(fields?: object): object;
};

/** The package as it is: CommonJS without types. */
export const smppPackage = createRequire(import.meta.url)('smpp') as {
  connect(options: object): PackageSession;
};

/** Connects and binds as the package wants it. */
export async function bindByPackage(task: {
  port: number;
  systemId: string;
  password: string;
}): Promise<PackageSession> {
  const session = smppPackage.connect({ host: '127.0.0.1', port: task.port, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    session.on('error', reject);
    session.on('connect', resolve);
  });
  const fields = { system_id: task.systemId, password: task.password, interface_version: 0x34 };
  const { command_status: status } = await new Promise<PackageAnswer>((resolve) => {
    session.bind_transceiver(fields, resolve);
  });
  if (status !== 0) throw new Error(`the bind was refused with ${status}`);
  return session;
}

/** Fields of a submit_sm as the package takes them; the same as our encoder writes. */
export function packageFields(destination: string, shortMessage: Buffer, registeredDelivery: number): object {
  return {
    source_addr_ton: 5,
    source_addr_npi: 0,
    source_addr: sender,
    dest_addr_ton: 1,
    dest_addr_npi: 1,
    destination_addr: destination,
    validity_period: validityPeriod,
    registered_delivery: registeredDelivery,
    data_coding: 0,
    short_message: shortMessage,
  };
}

/** A text in GSM 03.38, one septet per octet. */
export function gsmBuffer(text: string): Buffer {
  const bytes = Buffer.alloc(gsmSeptets(text) ?? 0);
  writeGsm(text, bytes, 0);
  return bytes;
}
