/** The simulator over TLS. */
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { expect, test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { encodeBind, readHeader } from '../../src/smpp/pdu.ts';
import { startSmsc } from '../../src/smsc/server.ts';
import { selfSigned } from './certificate.ts';

const bind = encodeBind(
  {
    type: 'transceiver',
    systemId: 'town',
    password: 'secret',
    systemType: '',
    addrTon: 0,
    addrNpi: 0,
    addressRange: '',
  },
  1,
);

test('TLS - binds are taken over it and never in clear text, and it stops amid a handshake', async () => {
  const tls = selfSigned(Date.now());
  const smsc = await startSmsc({ accounts: [{ systemId: 'town', password: 'secret' }], tls });
  const socket = connect({ port: smsc.port, host: '127.0.0.1', ca: tls.cert });
  socket.write(bind);
  const answer = await new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('error', reject);
  });
  expect(readHeader(answer, 0)).toMatchObject({ commandId: commandId.bind_transceiver_resp, status: 0 });

  const plain = connectPlain(smsc.port, '127.0.0.1');
  plain.on('error', () => plain.destroy());
  plain.write(bind);
  plain.resume();
  await new Promise((resolve) => plain.on('close', resolve));
  expect(smsc.stats()).toMatchObject({ binds: 1, bindsAccepted: 1 });

  const silent = connectPlain(smsc.port, '127.0.0.1');
  silent.on('error', () => silent.destroy());
  silent.resume();
  await new Promise<void>((resolve) => silent.on('connect', () => resolve()));
  const ended = new Promise((resolve) => silent.on('close', resolve));
  await smsc.stop();
  await ended;
  socket.destroy();
});
