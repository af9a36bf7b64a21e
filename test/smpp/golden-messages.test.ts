/** The codecs of messages, ours and the `smpp` package's, each against frames that neither of them wrote. */

import smpp from 'smpp';
import { describe, expect, test } from 'vitest';
import {
  type DeliverFields,
  deliverSmBytes,
  readDeliverSm,
  writeDeliverResp,
  writeDeliverSm,
} from '../../src/smpp/deliver.ts';
import {
  readSubmitResp,
  readSubmitSm,
  type SubmitFields,
  type SubmitTlvs,
  submitSmBytes,
  writeSequence,
  writeSubmitResp,
  writeSubmitSm,
} from '../../src/smpp/submit.ts';
import { golden } from '../support/golden.ts';

const resident = { destinationTon: 1, destinationNpi: 1, destination: '33612345678' };
const town = { sourceTon: 5, sourceNpi: 0, source: 'VILLE' };
const plain = {
  serviceType: '',
  esmClass: 0,
  protocolId: 0,
  priority: 0,
  scheduleDelivery: '',
  validityPeriod: '',
  replaceIfPresent: 0,
  dataCoding: 0,
};
const submit = { ...plain, ...town, ...resident, registeredDelivery: 1 };
const deliver = { ...plain, sourceTon: 1, sourceNpi: 1, source: '33612345678', registeredDelivery: 0 };
const receiptText =
  'id:7E1A00F3 sub:001 dlvrd:001 submit date:2004011200 done date:2004011201 stat:DELIVRD err:000 text:';

const submits: Readonly<Record<string, readonly [sequence: number, SubmitFields]>> = {
  submit_sm_gsm: [
    513,
    {
      ...submit,
      priority: 3,
      validityPeriod: '000000020000000R',
      shortMessage: Buffer.from('\x1fvacuez la zone \x1be', 'latin1'),
    },
  ],
  submit_sm_ucs2: [
    514,
    {
      ...submit,
      sourceTon: 1,
      sourceNpi: 1,
      source: '33700900900',
      dataCoding: 8,
      shortMessage: Buffer.from('⚠ ça', 'utf16le').swap16(),
    },
  ],
  submit_sm_udh16: [
    515,
    { ...submit, esmClass: 0x40, shortMessage: Buffer.from([6, 8, 4, 0xbe, 0xef, 2, 2, ...Buffer.from('fin')]) },
  ],
  submit_sm_sar: [
    516,
    { ...submit, shortMessage: Buffer.from('debut'), tlvs: { sar: { reference: 0xbeef, total: 2, part: 1 } } },
  ],
  submit_sm_payload: [
    517,
    {
      ...submit,
      shortMessage: Buffer.alloc(0),
      tlvs: { userMessageReference: 42, messagePayload: Buffer.from('oui') },
    },
  ],
};

const delivers: Readonly<Record<string, readonly [sequence: number, DeliverFields]>> = {
  deliver_sm_receipt: [
    66,
    {
      ...deliver,
      destinationTon: 5,
      destinationNpi: 0,
      destination: 'VILLE',
      esmClass: 4,
      shortMessage: Buffer.from(receiptText),
      tlvs: { receiptedMessageId: '7E1A00F3', messageState: 2, networkErrorCode: { networkType: 3, code: 0 } },
    },
  ],
  deliver_sm_inbound: [
    67,
    {
      ...deliver,
      destinationTon: 3,
      destinationNpi: 0,
      destination: '38200',
      shortMessage: Buffer.from('STOP'),
    },
  ],
};

/** The same fields under the specification's names, as the package wants them. */
function packageFields(sequence: number, fields: SubmitFields | DeliverFields): Record<string, unknown> {
  return {
    sequence_number: sequence,
    service_type: fields.serviceType,
    source_addr_ton: fields.sourceTon,
    source_addr_npi: fields.sourceNpi,
    source_addr: fields.source,
    dest_addr_ton: fields.destinationTon,
    dest_addr_npi: fields.destinationNpi,
    destination_addr: fields.destination,
    esm_class: fields.esmClass,
    protocol_id: fields.protocolId,
    priority_flag: fields.priority,
    schedule_delivery_time: fields.scheduleDelivery,
    validity_period: fields.validityPeriod,
    registered_delivery: fields.registeredDelivery,
    replace_if_present_flag: fields.replaceIfPresent,
    data_coding: fields.dataCoding,
    short_message: Buffer.from(fields.shortMessage),
  };
}

function packageSubmitTlvs(tlvs: SubmitTlvs): Record<string, unknown> {
  return {
    ...(tlvs.userMessageReference !== undefined && { user_message_reference: tlvs.userMessageReference }),
    ...(tlvs.sar && {
      sar_msg_ref_num: tlvs.sar.reference,
      sar_total_segments: tlvs.sar.total,
      sar_segment_seqnum: tlvs.sar.part,
    }),
    ...(tlvs.messagePayload && { message_payload: Buffer.from(tlvs.messagePayload) }),
  };
}

describe('golden - a submit_sm is these bytes, both ways, and to the package', () => {
  test.each(Object.entries(submits))('%s', (name, [sequence, fields]) => {
    const bytes = golden(name);
    const written = Buffer.alloc(submitSmBytes(fields));
    expect(writeSubmitSm(written, 0, fields)).toBe(bytes.length);
    writeSequence(written, 0, sequence);
    expect(written.toString('hex')).toBe(bytes.toString('hex'));
    expect(readSubmitSm(bytes, 0, bytes.length)).toEqual({ tlvs: {}, ...fields, sequence });
    const tlvs = packageSubmitTlvs(fields.tlvs ?? {});
    expect(new smpp.PDU('submit_sm', { ...packageFields(sequence, fields), ...tlvs }).toBuffer()).toEqual(bytes);
  });
});

describe('golden - a deliver_sm is these bytes, both ways, and to the package', () => {
  test.each(Object.entries(delivers))('%s', (name, [sequence, { tlvs, ...fields }]) => {
    const bytes = golden(name);
    const all = tlvs === undefined ? fields : { ...fields, tlvs };
    const written = Buffer.alloc(deliverSmBytes(all));
    expect(writeDeliverSm(written, 0, sequence, all)).toBe(bytes.length);
    expect(written.toString('hex')).toBe(bytes.toString('hex'));
    expect(readDeliverSm(bytes, 0, bytes.length)).toEqual({ ...fields, sequence });
    const optional = tlvs && {
      receipted_message_id: tlvs.receiptedMessageId,
      message_state: tlvs.messageState,
      network_error_code: Buffer.of(3, 0, 0),
    };
    expect(new smpp.PDU('deliver_sm', { ...packageFields(sequence, fields), ...optional }).toBuffer()).toEqual(bytes);
  });
});

test('golden - the responses to messages are these bytes', () => {
  const accepted = golden('submit_sm_resp');
  const written = Buffer.alloc(accepted.length);
  expect(writeSubmitResp(written, 0, 513, 0, '7E1A00F3')).toBe(accepted.length);
  expect(written).toEqual(accepted);
  expect(readSubmitResp(accepted, 0, accepted.length)).toBe('7E1A00F3');
  expect(new smpp.PDU('submit_sm_resp', { sequence_number: 513, message_id: '7E1A00F3' }).toBuffer()).toEqual(accepted);

  const receipt = golden('deliver_sm_resp');
  const answer = Buffer.alloc(receipt.length);
  expect(writeDeliverResp(answer, 0, 66, 0)).toBe(receipt.length);
  expect(answer).toEqual(receipt);
  expect(new smpp.PDU('deliver_sm_resp', { sequence_number: 66 }).toBuffer()).toEqual(receipt);
});
