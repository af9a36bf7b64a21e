/**
 * A second carrier, made of the `smpp` package's own server: what it decodes is not what we meant because our code
 * agrees with itself. It accepts every bind and every submit_sm, joins the parts of long messages and sends receipts.
 */
import type { AddressInfo, Server } from 'node:net';
import smpp, { type PackagePdu } from 'smpp';

/** The package's server side, which our own code must never use, and whose types are therefore not in smpp.d.ts. */
type PackageSession = {
  on(event: 'pdu', listener: (pdu: PackagePdu & { response(fields?: object): PackagePdu }) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  send(pdu: PackagePdu): boolean;
  deliver_sm(fields: object): boolean;
  destroy(): void;
};
type PackageServer = Server & { readonly sessions: PackageSession[] };
const packageServer = smpp as unknown as {
  createServer(listener: (session: PackageSession) => void): PackageServer;
};

/** A message as the package understood it. */
export type PackageMessage = {
  readonly source: string;
  readonly destination: string;
  readonly text: string;
  readonly parts: number;
  readonly dataCodings: readonly number[];
  readonly messageIds: readonly string[];
};

type Part = { readonly part: number; readonly parts: number; readonly reference: string; readonly text: string };

const dates = 'submit date:2006010930 done date:2006010931';

/** The running server. */
export class PackageSmsc {
  readonly messages: PackageMessage[] = [];
  /** Requests that it got, by name. */
  readonly commands: Record<string, number> = {};
  readonly errors: Error[] = [];
  receiptsAnswered = 0;
  readonly #server: PackageServer;
  readonly #open = new Map<string, { pdus: PackagePdu[]; texts: string[]; ids: string[] }>();
  #ids = 0;
  #waiting: { holds: () => boolean; resolve: () => void }[] = [];

  private constructor() {
    this.#server = packageServer.createServer((session) => {
      session.on('error', (error) => this.errors.push(error));
      session.on('pdu', (pdu) => {
        this.commands[pdu.command] = (this.commands[pdu.command] ?? 0) + 1;
        if (pdu.command === 'submit_sm') this.#submit(session, pdu);
        else if (pdu.command === 'deliver_sm_resp') this.receiptsAnswered++;
        else if (!pdu.command.endsWith('_resp')) session.send(pdu.response());
        this.#changed();
      });
    });
  }

  static async start(): Promise<PackageSmsc> {
    const smsc = new PackageSmsc();
    await new Promise<void>((resolve) => smsc.#server.listen(0, '127.0.0.1', resolve));
    return smsc;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when `holds` becomes true of what was received. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ holds, resolve }));
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const session of this.#server.sessions.slice()) session.destroy();
    await closed;
  }

  #submit(session: PackageSession, pdu: PackagePdu & { response(fields?: object): PackagePdu }): void {
    const id = `pkg-${++this.#ids}`;
    session.send(pdu.response({ message_id: id }));
    if (pdu['registered_delivery'] === 1) this.#receipt(session, pdu, id);
    const { part, parts, reference, text } = partOf(pdu);
    const key = [pdu['source_addr'], pdu['destination_addr'], reference].join(' ');
    const open = this.#open.get(key) ?? { pdus: [], texts: [], ids: [] };
    this.#open.set(key, open);
    open.pdus.push(pdu);
    open.texts[part - 1] = text;
    open.ids.push(id);
    if (open.pdus.length < parts) return;
    this.#open.delete(key);
    this.messages.push({
      source: String(pdu['source_addr']),
      destination: String(pdu['destination_addr']),
      text: open.texts.join(''),
      parts,
      dataCodings: open.pdus.map((each) => Number(each['data_coding'])),
      messageIds: open.ids,
    });
  }

  #receipt(session: PackageSession, pdu: PackagePdu, id: string): void {
    session.deliver_sm({
      source_addr_ton: 1,
      source_addr_npi: 1,
      source_addr: pdu['destination_addr'],
      destination_addr: pdu['source_addr'],
      esm_class: 4,
      short_message: `id:${id} sub:001 dlvrd:001 ${dates} stat:DELIVRD err:000 text:`,
      receipted_message_id: id,
      message_state: 2,
    });
  }

  #changed(): void {
    this.#waiting = this.#waiting.filter(({ holds, resolve }) => {
      if (holds()) resolve();
      return !holds();
    });
  }
}

/** What the package found in the user data header, in SAR TLVs or in message_payload. */
function partOf(pdu: PackagePdu): Part {
  const short = pdu['short_message'] as { message: string | Buffer; udh?: Buffer[] };
  const payload = pdu['message_payload'] as { message: string } | undefined;
  if (payload !== undefined) return { part: 1, parts: 1, reference: '', text: payload.message };
  const text = String(short.message);
  const element = short.udh?.find((each) => each[0] === 0x08);
  if (element !== undefined) {
    const [, , , , parts = 0, part = 0] = element;
    return { part, parts, reference: `udh ${element.readUInt16BE(2)}`, text };
  }
  const parts = pdu['sar_total_segments'];
  if (typeof parts !== 'number') return { part: 1, parts: 1, reference: '', text };
  return { part: Number(pdu['sar_segment_seqnum']), parts, reference: `sar ${String(pdu['sar_msg_ref_num'])}`, text };
}
