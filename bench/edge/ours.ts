/**
 * Our side of `edge`: frames from src/encode, written and answered through src/carrier's bind, as in a worker but
 * without Redis. One measurement, then the process ends.
 */
import { Bind, type BindHandlers, socketMeans } from '../../src/carrier/bind.ts';
import { systemClock } from '../../src/clock.ts';
import { encodeBatch } from '../../src/encode/encode.ts';
import { readFrames } from '../../src/encode/frames.ts';
import type { Frames } from '../../src/handoff.ts';
import { silentLog } from '../../src/telemetry.ts';
import { ownUse, script } from '../script.ts';
import { addressOf, batchRecipients, distinctMessages, type EdgeAnswer, type EdgeTask, sender, text } from './task.ts';

const boundlessRate = 10_000_000;
const dayMs = 86_400_000;

function batches(): Frames[] {
  const content = {
    campaign: '1',
    organisation: '1',
    nature: 'information',
    sender,
    contents: { fr: text },
    defaultLanguage: 'fr',
    fields: [],
    expiresAtMs: dayMs,
    weight: 1,
  } as const;
  const profile = {
    sourceTon: 'auto',
    sourceNpi: 0,
    destinationTon: 1,
    destinationNpi: 1,
    serviceType: '',
    defaultAlphabet: 'gsm',
    longMessages: 'udh',
    receipts: false,
    segmentsMax: 10,
  } as const;
  return Array.from({ length: distinctMessages / batchRecipients }, (_, batch) => {
    const firstOrdinal = batch * batchRecipients;
    const addresses = Array.from({ length: batchRecipients }, (__, index) => addressOf(firstOrdinal + index));
    const packed = Buffer.from(addresses.join('\x1e'));
    const task = { content, profile, firstOrdinal, recipients: batchRecipients, language: 'fr', packed, nowMs: 0 };
    return readFrames(encodeBatch(task));
  });
}

async function measure({ port, systemId, password, messages, window }: EdgeTask): Promise<EdgeAnswer> {
  const ready = batches();
  let written = 0;
  let accepted = 0;
  let refused = 0;
  let beganMs = 0;
  let cpu = process.cpuUsage();
  let onEnd: (answer: EdgeAnswer) => void = () => undefined;
  let onLost: (error: Error) => void = () => undefined;
  const ended = new Promise<EdgeAnswer>((resolve, reject) => {
    onEnd = resolve;
    onLost = reject;
  });
  const pump = () => {
    for (let room = bind.room; room > 0 && written < messages; room = bind.room) {
      const from = written % batchRecipients;
      const { bytes, offsets } = ready[Math.floor(written / batchRecipients) % ready.length] as Frames;
      const to = Math.min(batchRecipients, from + room, from + messages - written);
      bind.submit({ bytes, offsets, from, to, ticketBase: 0 });
      written += to - from;
    }
  };
  const handlers: BindHandlers = {
    bound() {
      beganMs = performance.now();
      cpu = process.cpuUsage();
      pump();
    },
    answered(_bind, _ticket, commandStatus, messageId) {
      if (commandStatus === 0 && messageId !== '') accepted++;
      else refused++;
      if (accepted + refused < messages) return;
      onEnd({ seconds: (performance.now() - beganMs) / 1000, accepted, refused, ...ownUse(cpu) });
    },
    lost: () => onLost(new Error('a submit_sm was not answered')),
    overdue() {
      onLost(new Error('a submit_sm was answered too late'));
      return () => undefined;
    },
    delivered: () => undefined,
    ready: pump,
  };
  const bind = new Bind(
    {
      host: '127.0.0.1',
      port,
      systemId,
      password,
      systemType: '',
      bindType: 'transceiver',
      window,
      ratePerSecond: boundlessRate,
      enquireLinkMs: 30_000,
      responseMs: 30_000,
      reconnectMs: 1_000,
      reconnectMsMax: 60_000,
    },
    handlers,
    systemClock,
    silentLog,
    socketMeans,
  );
  const answer = await ended;
  await bind.stop();
  return answer;
}

script(measure);
