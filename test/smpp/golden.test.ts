/**
 * Our cold codec and the `smpp` package's, each against frames that neither of them wrote. The messages' own codecs
 * meet theirs in golden-messages.test.ts.
 */

import smpp from 'smpp';
import { describe, expect, test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { commandStatus } from '../../src/smpp/command-status.ts';
import { Framer } from '../../src/smpp/framing.ts';
import {
  type BindType,
  decodeBind,
  decodePdu,
  encodeBind,
  encodeBindResp,
  encodeHeaderOnly,
} from '../../src/smpp/pdu.ts';
import { golden, goldenNames } from '../support/golden.ts';

const bind = {
  systemId: 'tocsin',
  password: 's3cret',
  systemType: 'ALERT',
  addrTon: 1,
  addrNpi: 1,
  addressRange: '',
};

const headerOnly: Readonly<Record<string, readonly [id: number, status: number, sequence: number]>> = {
  enquire_link: [commandId.enquire_link, 0, 7],
  enquire_link_resp: [commandId.enquire_link_resp, 0, 7],
  unbind: [commandId.unbind, 0, 0x7fffffff],
  unbind_resp: [commandId.unbind_resp, 0, 0x7fffffff],
  generic_nack: [commandId.generic_nack, commandStatus.ESME_RINVCMDLEN, 0],
  bind_transceiver_resp_refused: [commandId.bind_transceiver_resp, commandStatus.ESME_RINVPASWD, 1],
  submit_sm_resp_throttled: [commandId.submit_sm_resp, commandStatus.ESME_RTHROTTLED, 513],
};

/** What the fields of the frames that we only read mean. */
const read: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  bind_transceiver_resp: { system_id: 'smsc1', sc_interface_version: 0x34 },
  bind_transmitter_resp: { system_id: 'smsc1' },
  bind_receiver_resp: { system_id: 'smsc1' },
  outbind: { system_id: 'smsc1', password: 's3cret' },
  alert_notification: {
    source_addr_ton: 1,
    source_addr_npi: 1,
    source_addr: '33612345678',
    esme_addr_ton: 5,
    esme_addr_npi: 0,
    esme_addr: 'VILLE',
    ms_availability_status: 0,
  },
  query_sm: { message_id: '7E1A00F3', source_addr_ton: 5, source_addr_npi: 0, source_addr: 'VILLE' },
  query_sm_resp: { message_id: '7E1A00F3', final_date: '', message_state: 1, error_code: 0 },
};

describe('golden - a bind request is these bytes, both ways', () => {
  test.each<BindType>(['transceiver', 'transmitter', 'receiver'])('%s', (type) => {
    const bytes = golden(`bind_${type}`);
    expect(encodeBind({ type, ...bind }, 1).toString('hex')).toBe(bytes.toString('hex'));
    expect(decodeBind(bytes)).toEqual({ type, ...bind, sequence: 1, interfaceVersion: 0x34 });
  });
});

test('golden - our response to a bind is these bytes, accepted or refused', () => {
  expect(encodeBindResp('transceiver', 'smsc1', 0, 1)).toEqual(golden('bind_transceiver_resp'));
  expect(encodeBindResp('transceiver', 'smsc1', commandStatus.ESME_RINVPASWD, 1)).toEqual(
    golden('bind_transceiver_resp_refused'),
  );
});

describe('golden - PDUs that are only a header are these bytes, both ways', () => {
  test.each(Object.entries(headerOnly))('%s', (name, [id, status, sequence]) => {
    const bytes = golden(name);
    expect(encodeHeaderOnly(id, status, sequence)).toEqual(bytes);
    expect(decodePdu(bytes)).toMatchObject({
      kind: 'pdu',
      header: { length: 16, commandId: id, status, sequence },
      fields: {},
    });
  });
});

describe('golden - unusual PDUs are read', () => {
  test.each(Object.entries(read))('%s', (name, fields) => {
    expect(decodePdu(golden(name))).toMatchObject({ kind: 'pdu', command: name, fields });
    expect(new smpp.PDU(name, { ...fields, sequence_number: golden(name).readUInt32BE(12) }).toBuffer()).toEqual(
      golden(name),
    );
  });
});

test('golden - every frame is one PDU to the framer and of the command it is named for to both codecs', () => {
  for (const name of goldenNames()) {
    const bytes = golden(name);
    const frames: Buffer[] = [];
    const lost = new Framer(65536).push(Buffer.concat([bytes, bytes]), {
      frame: (buffer, start, end) => frames.push(Buffer.from(buffer.subarray(start, end))),
    });
    expect(lost).toBeUndefined();
    expect(frames).toEqual([bytes, bytes]);
    const decoded = decodePdu(bytes);
    const command = new smpp.PDU(bytes).command;
    expect(decoded).toMatchObject({ kind: 'pdu', command });
    expect(name.startsWith(command)).toBe(true);
  }
});
