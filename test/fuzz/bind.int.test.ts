/**
 * The same spoilt streams over real sockets, to a bind with open requests: every ticket ends once, and the bind answers
 * the carrier's next enquire_link or has left, and comes back.
 */
import assert from 'node:assert';
import fc from 'fast-check';
import { test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { encodeHeaderOnly } from '../../src/smpp/pdu.ts';
import { Bound, bindSettings } from '../carrier/bound.ts';
import { polite, RawCarrier } from '../carrier/raw-carrier.ts';
import { streams } from './bytes.ts';
import { fuzzed, fuzzTimeoutMs, keepingNothing } from './runs.ts';

const submitted = 20;

test(
  'fuzz - whatever a carrier sends to a bind, its tickets end once and it comes back',
  async () => {
    await keepingNothing(async () => {
      await fc.assert(
        fc.asyncProperty(streams, async ({ chunks }) => {
          const carrier = await RawCarrier.start();
          carrier.onPdu = polite;
          const bound = new Bound(bindSettings(carrier.port));
          try {
            const peer = await carrier.peer(0);
            await bound.untilBound();
            bound.submit(submitted);
            await peer.untilReceived('submit_sm', submitted);
            for (const chunk of chunks) {
              peer.write(chunk);
              await new Promise((resolve) => setImmediate(resolve));
            }
            // Zeros end any PDU that is under way, and are none by themselves: the stream is lost, the bind leaves.
            peer.write(Buffer.alloc(80_000));
            await peer.closed;
            await bound.untilAllEnded();
            const tickets = bound.endings.map(({ ticket }) => ticket).toSorted((a, b) => a - b);
            assert.deepEqual(
              tickets,
              Array.from({ length: submitted }, (_, ticket) => ticket),
            );
            const again = await carrier.peer(1);
            await bound.untilBound(2);
            again.write(encodeHeaderOnly(commandId.enquire_link, 0, 7));
            await again.untilReceived('enquire_link_resp', 1);
          } finally {
            bound.bind.abandon();
            await carrier.stop();
          }
        }),
        fuzzed(500),
      );
    });
  },
  fuzzTimeoutMs,
);
