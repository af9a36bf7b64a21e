/** Group 6: carriers that close, fall silent, refuse, throttle, slow down, send rubbish, or die. */
import { commandStatuses } from '../../../src/smpp/command-status.ts';
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

async function midway(stage: Stage): Promise<void> {
  await stage.launchBoth();
  await stage.somewhere(0.1, 0.4);
}

/** What a peer may send that is not SMPP, or not what was asked for. */
const rubbish: Readonly<Record<string, Buffer>> = {
  garbage: Buffer.from('c0ffee00deadbeef0badf00d5eed5eed5eed', 'hex'),
  halfPdu: Buffer.from('00000021800000040000', 'hex'),
  hugeLength: Buffer.from('ffffffff800000040000000000000001', 'hex'),
  banner: Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>', 'latin1'),
  unknownCommand: Buffer.from('000000100000f00d0000000000000001', 'hex'),
};

export const carrierCases: readonly FaultCase[] = [
  {
    name: 'carrier-closes',
    group: 6,
    about: 'a carrier breaks every connection in the middle of its windows, several times',
    quick: true,
    async run(stage) {
      await stage.launchBoth();
      const [carrier] = stage.scene.carriers;
      for (const share of [0.1, 0.25, 0.4]) {
        await stage.somewhere(share, share + 0.1);
        stage.breaksCarrier(carrier?.plan.name ?? '');
        await carrier?.disconnect();
      }
      stage.healed();
    },
  },
  {
    name: 'carrier-resets',
    group: 6,
    about: 'the network resets connections to carriers in mid-window and delivers bytes in small pieces',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      const [worker = ''] = stage.scene.names('worker');
      for (const { plan } of stage.scene.carriers) {
        stage.scene.line(worker, plan.name).poison({ sliceBytes: 7 });
        await stage.somewhere(0.1, 0.4);
        stage.breaksCarrier(plan.name);
        stage.scene.line(worker, plan.name).reset();
        stage.scene.line(worker, plan.name).heal();
      }
      stage.healed();
    },
  },
  {
    name: 'carrier-silent',
    group: 6,
    about: 'a carrier takes one segment of a hundred and never answers it',
    quick: false,
    async run(stage) {
      const [carrier] = stage.scene.carriers;
      await carrier?.behave({ silence: 0.01 });
      await stage.launchBoth();
      await stage.received(Math.floor(stage.segments * 0.5));
      await carrier?.behave({ silence: 0 });
      const unanswered = (await carrier?.stats())?.unanswered ?? 0;
      stage.leavesUnanswered(unanswered);
      stage.healed();
    },
  },
  {
    name: 'carrier-unresponsive',
    group: 6,
    about: 'a carrier reads everything and answers nothing for a while, not even enquire_link',
    quick: false,
    async run(stage) {
      await midway(stage);
      const [carrier] = stage.scene.carriers;
      await carrier?.behave({ unresponsive: true });
      await stage.hold(4_000);
      // Each connection that was made meanwhile may have had a window.
      for (let connection = 0; connection < 4; connection++) stage.breaksCarrier(carrier?.plan.name ?? '');
      await carrier?.behave({ unresponsive: false });
      stage.healed();
    },
  },
  {
    name: 'carrier-some-late',
    group: 6,
    about: 'some answers of a carrier come after the deadline: they count, and nothing stays unknown',
    quick: true,
    async run(stage) {
      await midway(stage);
      const [carrier] = stage.scene.carriers;
      // One of nine is late, by a tenth of a second at most: no bind is ever left for it.
      await carrier?.behave({ latencyMs: 700, latencyJitterMs: 900 });
      await stage.hold(3_000);
      await carrier?.behave(carrier.plan.behaviour ?? {});
      // Only a machine that stood still keeps an alert's answer so long that it is written again.
      stage.alertsMayDouble(carrier?.plan.window ?? 0);
      stage.healed();
    },
  },
  {
    name: 'carrier-late',
    group: 6,
    about: 'a carrier answers after the deadline for a while',
    quick: false,
    async run(stage) {
      await midway(stage);
      const [carrier] = stage.scene.carriers;
      await carrier?.behave({ latencyMs: 1_800 });
      await stage.hold(4_000);
      for (let round = 0; round < 4; round++) stage.breaksCarrier(carrier?.plan.name ?? '');
      await carrier?.behave({ latencyMs: carrier.plan.behaviour?.latencyMs ?? 0 });
      stage.healed();
    },
  },
  {
    name: 'carrier-refuses-binds',
    group: 6,
    about: 'a carrier breaks every connection and refuses the password, then says already bound, for a while',
    quick: false,
    async run(stage) {
      await midway(stage);
      const [carrier] = stage.scene.carriers;
      stage.breaksCarrier(carrier?.plan.name ?? '');
      await carrier?.behave({ bindStatus: stage.oneOf([0x0e, 0x0d]) });
      await carrier?.disconnect();
      await stage.hold(stage.between(700, 1_200));
      await carrier?.behave({ bindStatus: 0x05 });
      await stage.hold(stage.between(300, 600));
      await carrier?.behave({ bindStatus: 0 });
      stage.healed();
    },
  },
  {
    name: 'carrier-fewer-binds',
    group: 6,
    about: 'a carrier breaks every connection and lets fewer come back than the contract says, for a while',
    quick: false,
    async run(stage) {
      await midway(stage);
      const [carrier] = stage.scene.carriers;
      stage.breaksCarrier(carrier?.plan.name ?? '');
      await carrier?.behave({ bindsMax: (carrier.plan.binds ?? 1) - stage.between(1, 2) });
      await carrier?.disconnect();
      await stage.somewhere(0.5, 0.7);
      await carrier?.behave({ bindsMax: 0 });
      stage.healed();
    },
  },
  {
    name: 'carrier-throttles',
    group: 6,
    about: 'a carrier throttles one segment of fifty, and now and then says that its queue is full',
    quick: false,
    async run(stage) {
      const [carrier] = stage.scene.carriers;
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.2);
      await carrier?.behave({ errors: { '0x58': 0.02, '0x14': 0.01 } });
      await stage.received(Math.floor(stage.segments * 0.6));
      await carrier?.behave({ errors: {} });
      stage.healed();
    },
  },
  {
    name: 'carrier-every-status',
    group: 6,
    about: 'a carrier answers with every command_status of the specification',
    quick: true,
    async run(stage) {
      const [carrier] = stage.scene.carriers;
      const refusals = commandStatuses.filter(({ disposition }) => disposition !== 'accepted');
      const errors = Object.fromEntries(refusals.map(({ code }) => [`0x${code.toString(16)}`, 0.0008]));
      await carrier?.behave({ errors });
      await stage.launchBoth();
      await stage.received(Math.floor(stage.segments * 0.5));
      await carrier?.behave({ errors: {} });
      // A refused segment fails its message, be it that other segments of it were taken.
      stage.sent.add('failed');
      stage.unsent.add('failed');
      stage.healed();
    },
  },
  {
    name: 'carrier-rubbish',
    group: 6,
    about: 'carriers send garbage, half a PDU, a length of 4 GB, an HTTP banner and an unknown command',
    quick: true,
    async run(stage) {
      await stage.launchBoth();
      const workers = stage.scene.names('worker');
      let share = 0.05;
      for (const bytes of Object.values(rubbish)) {
        await stage.somewhere(share, share + 0.05);
        const { plan } = stage.oneOf(stage.scene.carriers);
        stage.breaksCarrier(plan.name);
        stage.scene.line(stage.oneOf(workers), plan.name).inject(bytes);
        share += 0.1;
      }
      stage.healed();
    },
  },
  {
    name: 'carrier-slow',
    group: 6,
    about: 'a carrier answers ten times slower for a while; the other one goes on',
    quick: false,
    async run(stage) {
      await midway(stage);
      const [carrier, other] = stage.scene.carriers;
      await carrier?.behave({ latencyMs: 300 });
      const before = (await other?.stats())?.received ?? 0;
      await stage.hold(2_000);
      if (((await other?.stats())?.received ?? 0) === before) stage.problems.push('the other carrier stood still');
      await carrier?.behave({ latencyMs: carrier.plan.behaviour?.latencyMs ?? 0 });
      stage.healed();
    },
  },
  {
    name: 'carrier-cut-off',
    group: 6,
    about: 'a cable between one worker and a carrier is cut: nobody is told, until enquire_link tells',
    quick: false,
    async run(stage) {
      await midway(stage);
      const [carrier] = stage.scene.carriers;
      const worker = stage.oneOf(stage.scene.names('worker'));
      await stage.crash(worker);
      const line = stage.scene.line(worker, carrier?.plan.name ?? '');
      line.blackhole();
      await stage.hold(3_000);
      // What waited in the cable is gone with its connections.
      line.reset();
      line.heal();
      stage.healed();
    },
  },
  {
    name: 'carrier-answers-twice',
    group: 6,
    about: 'every answer of a carrier comes twice',
    quick: false,
    async run(stage) {
      const [carrier] = stage.scene.carriers;
      const lines = stage.scene.lines(carrier?.plan.name ?? '');
      for (const line of lines) line.poison({ answersTwice: true });
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.2);
      stage.breaksCarrier(carrier?.plan.name ?? '');
      await carrier?.disconnect();
      stage.healed();
    },
  },
  {
    name: 'carrier-never-reads',
    group: 6,
    about: 'a carrier takes connections and reads nothing for a while: workers stay small, the other carrier goes on',
    quick: false,
    async run(stage) {
      await midway(stage);
      const [carrier, other] = stage.scene.carriers;
      const before = (await other?.stats())?.received ?? 0;
      // It does not even read that a connection was closed; only it can keep its successor out meanwhile.
      await carrier?.behave({ readPauseMs: 1_000, bindsMax: carrier.plan.binds });
      // Enough for several connections, each with a window that the carrier reads when it is too late.
      await stage.hold(4_000);
      for (let connection = 0; connection < 4; connection++) stage.breaksCarrier(carrier?.plan.name ?? '');
      if (((await other?.stats())?.received ?? 0) === before) stage.problems.push('the other carrier stood still');
      for (const worker of stage.scene.names('worker')) {
        const megabytes = stage.scene.child(worker).megabytes;
        if (megabytes > 400) stage.problems.push(`${worker} takes ${megabytes} MB`);
      }
      await carrier?.behave({ readPauseMs: 0 });
      stage.healed();
    },
  },
  {
    name: 'carrier-restart',
    group: 6,
    about: 'kill -9 of a carrier in mid-window; it comes back on its address and resends no receipt',
    quick: false,
    async run(stage) {
      await midway(stage);
      const [carrier] = stage.scene.carriers;
      stage.breaksCarrier(carrier?.plan.name ?? '');
      // The receipts that it owed are gone with it: their messages stay submitted, and the campaign open.
      await carrier?.behave({ receiptDelayMs: 0, receiptJitterMs: 0 });
      await carrier?.kill();
      stage.sent.add('submitted');
      await carrier?.start();
      stage.healed();
    },
  },
];
