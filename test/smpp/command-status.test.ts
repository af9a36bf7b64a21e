/** The table of command_status: complete, agreeing with the package, and judged as it says. */
import smpp from 'smpp';
import { expect, test } from 'vitest';
import { commandId, commandName, isResponse, responseTo } from '../../src/smpp/command.ts';
import { commandStatus, commandStatuses, statusOf } from '../../src/smpp/command-status.ts';

/** SMPP 3.4 says "optional parameter" where SMPP 5.0 and the package say TLV. */
const renamed: Readonly<Record<string, string>> = {
  ESME_RINVTLVSTREAM: 'ESME_RINVOPTPARSTREAM',
  ESME_RTLVNOTALLWD: 'ESME_ROPTPARNOTALLWD',
  ESME_RINVTLVLEN: 'ESME_RINVPARLEN',
  ESME_RMISSINGTLV: 'ESME_RMISSINGOPTPARAM',
  ESME_RINVTLVVAL: 'ESME_RINVOPTPARAMVAL',
};

test('command_status - the table has every code of SMPP 3.4, and the package agrees on each', () => {
  const theirs = Object.entries(smpp.errors)
    .filter(([, code]) => code < 0x100)
    .map(([name, code]) => [code, renamed[name] ?? name]);
  expect(commandStatuses.map(({ code, name }) => [code, name])).toEqual(theirs);
  for (const [name, code] of Object.entries(commandStatus)) expect(statusOf(code).name).toBe(name);
});

test('command_status - only ESME_ROK is an acceptance', () => {
  const accepted = commandStatuses.filter(({ disposition }) => disposition === 'accepted');
  expect(accepted.map(({ name }) => name)).toEqual(['ESME_ROK']);
});

test('command_status - being too fast is the slot’s matter, not the message’s', () => {
  const throttles = commandStatuses.filter(({ disposition }) => disposition === 'throttle');
  expect(throttles.map(({ name }) => name)).toEqual(['ESME_RMSGQFUL', 'ESME_RTHROTTLED']);
});

test('command_status - what is wrong with the recipient or the sender is final, what is temporary is not', () => {
  const dispositions = (...codes: number[]): string[] => codes.map((code) => statusOf(code).disposition);
  const { ESME_RINVDSTADR, ESME_RINVSRCADR, ESME_RX_P_APPN, ESME_RX_R_APPN } = commandStatus;
  expect(new Set(dispositions(ESME_RINVDSTADR, ESME_RINVSRCADR, ESME_RX_P_APPN, ESME_RX_R_APPN))).toEqual(
    new Set(['reject']),
  );
  expect(dispositions(commandStatus.ESME_RSYSERR, commandStatus.ESME_RX_T_APPN)).toEqual([
    'retry-later',
    'retry-later',
  ]);
  expect(dispositions(commandStatus.ESME_RINVPASWD, commandStatus.ESME_RINVSYSID)).toEqual([
    'stop-account',
    'stop-account',
  ]);
  expect(dispositions(commandStatus.ESME_RALYBND, commandStatus.ESME_RINVBNDSTS)).toEqual(['pause-bind', 'pause-bind']);
});

test('command_status - a code of the carrier’s own is a refusal with its number for a name', () => {
  expect(statusOf(0x410)).toEqual({ code: 0x410, name: 'ESME_0x0410', disposition: 'reject' });
  expect(statusOf(0x10)).toEqual({ code: 0x10, name: 'ESME_0x0010', disposition: 'reject' });
  expect(statusOf(0xffffffff).name).toBe('ESME_0xffffffff');
});

test('command - every id is the package’s, and responses are requests with the top bit', () => {
  for (const [name, id] of Object.entries(commandId)) {
    expect(smpp.commands[name]?.id).toBe(id);
    expect(commandName(id)).toBe(name);
    expect(isResponse(id)).toBe(name.endsWith('_resp') || name === 'generic_nack');
    const response = (commandId as Readonly<Record<string, number>>)[`${name}_resp`];
    if (response !== undefined) expect(responseTo(id)).toBe(response);
  }
  expect(commandName(0x00010200)).toBeUndefined();
});
