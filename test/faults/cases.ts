/** Every fault case, the most violent group first. */
import type { FaultCase } from './cases/case.ts';
import { carrierCases } from './cases/carrier.ts';
import { clockCases } from './cases/clock.ts';
import { commandCases } from './cases/commands.ts';
import { controlCases } from './cases/control.ts';
import { drainCases } from './cases/drain.ts';
import { failoverCases } from './cases/failover.ts';
import { fallbackCases } from './cases/fallback.ts';
import { nodeCases } from './cases/nodes.ts';
import { poisonCases } from './cases/poison.ts';
import { postgresCases } from './cases/postgres.ts';
import { receiptCases } from './cases/receipts.ts';
import { redisCases } from './cases/redis.ts';
import { shardCases } from './cases/shards.ts';
import { workerCases } from './cases/workers.ts';

export const cases: readonly FaultCase[] = [
  ...workerCases,
  ...shardCases,
  ...nodeCases,
  ...controlCases,
  ...commandCases,
  ...redisCases,
  ...failoverCases,
  ...postgresCases,
  ...carrierCases,
  ...fallbackCases,
  ...receiptCases,
  ...clockCases,
  ...poisonCases,
  ...drainCases,
].toSorted((a, b) => a.group - b.group);
