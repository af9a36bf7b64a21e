/**
 * The script of `encode`: batches through the worker's own encoder, on its main thread or through its Piscina threads.
 * Everything for one place and one text, so that the compiled code of another cannot help or hinder.
 */
import { startThreads, type Threads } from '../../cluster/threads.ts';
import type { EncodeTask } from '../../src/handoff.ts';
import { addressOf, sender } from '../edge/task.ts';
import { ownUse, script } from '../script.ts';
import { batchesOf, type EncodeBenchAnswer, type EncodeBenchTask, type SizeAnswer } from './task.ts';

/** Batches on their way at once, as a worker has them. */
const inFlight = 8;
const dayMs = 86_400_000;
const names = ['Anne', 'Bruno', 'Chloé', 'Denis', 'Élise', 'Fatima', 'Gaston', 'Hélène', 'Ivan', 'Jeanne-Marie'];
const warning = 'vigilance orange crue de la Lys : évitez les berges et les passages inondés. Infos en mairie.';

function taskOf(size: number, personalised: boolean): EncodeTask {
  const packed = Array.from({ length: size }, (_, index) =>
    personalised ? `${addressOf(index)}\x1f${names[index % names.length] ?? ''}` : addressOf(index),
  );
  return {
    content: {
      campaign: '1',
      organisation: '1',
      nature: 'information',
      sender,
      contents: { fr: personalised ? `Bonjour {{firstName|voisin}}, ${warning}` : `Bonjour, ${warning}` },
      defaultLanguage: 'fr',
      fields: personalised ? ['firstName'] : [],
      expiresAtMs: dayMs,
      weight: 1,
    },
    profile: {
      sourceTon: 'auto',
      sourceNpi: 0,
      destinationTon: 1,
      destinationNpi: 1,
      serviceType: '',
      defaultAlphabet: 'gsm',
      longMessages: 'udh',
      receipts: true,
      segmentsMax: 10,
    },
    firstOrdinal: 0,
    recipients: size,
    language: 'fr',
    packed: Buffer.from(packed.join('\x1e')),
    nowMs: 0,
  };
}

async function measureSize({ encode }: Threads, task: EncodeTask, batches: number, lanes: number): Promise<SizeAnswer> {
  let left = batches;
  let frames = 0;
  let octets = 0;
  const lane = async () => {
    while (left-- > 0) {
      const encoded = await encode(task);
      frames += encoded.recipient.length;
      octets += encoded.bytes.length;
    }
  };
  const cpu = process.cpuUsage();
  const loop = performance.eventLoopUtilization();
  const beganMs = performance.now();
  await Promise.all(Array.from({ length: lanes }, lane));
  const recipients = batches * task.recipients;
  return {
    size: task.recipients,
    wallMicros: ((performance.now() - beganMs) * 1000) / recipients,
    mainMicros: (performance.eventLoopUtilization(loop).active * 1000) / recipients,
    cpuMicros: ownUse(cpu).cpuMicros / recipients,
    frames,
    octets,
  };
}

async function measure(asked: EncodeBenchTask): Promise<EncodeBenchAnswer> {
  const { place, threads, personalised, sizes, recipients } = asked;
  const inPlace = place === 'in place';
  const encoder = startThreads({ threads: inPlace ? 0 : threads, inPlaceBelow: 0 });
  const lanes = inPlace ? 1 : inFlight;
  const measured: SizeAnswer[] = [];
  // Once over everything for the compiler, once for the figures.
  for (const share of [0.2, 1]) {
    measured.length = 0;
    for (const size of sizes) {
      const batches = Math.ceil(share * batchesOf(recipients, size));
      measured.push(await measureSize(encoder, taskOf(size, personalised), batches, lanes));
    }
  }
  await encoder.close();
  return { sizes: measured, peakMegabytes: ownUse(process.cpuUsage()).peakMegabytes };
}

script(measure);
