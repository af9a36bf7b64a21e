/**
 * Redis's users of `config/redis-acl.ts`: campaigns go out under them with nothing refused, and each is refused what is
 * not its own. Needs `npm run build` before.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aclFile, type RedisAclRole } from '../../config/redis-acl.ts';
import { quickScale, sceneOptions } from '../faults/runner.ts';
import { Scene } from '../faults/scene.ts';
import { Stage } from '../faults/stage.ts';

const password = 'acl-test';

test('acl - the file says what the rules say', () => {
  const path = join(import.meta.dirname, '..', '..', 'k8s', 'redis-acl.conf');
  expect(readFileSync(path, 'utf8')).toBe(aclFile());
});

describe.each(['single', 'cluster'] as const)('acl on %s', (kind) => {
  let scene: Scene;

  beforeAll(async () => {
    scene = await Scene.open({ ...sceneOptions(quickScale, 'usual', kind), workers: 2, redisPassword: password });
  });
  afterAll(async () => {
    await scene?.close();
  });

  /** What was refused since the server began, by user and object. */
  async function refused(): Promise<string[]> {
    const found: string[] = [];
    await scene.redis.everywhere(async (node) => {
      const rows = (await node.call('ACL', 'LOG')) as (string | number)[][];
      for (const row of rows) {
        const of = (name: string) => String(row[row.indexOf(name) + 1]);
        found.push(`${of('username')}: ${of('reason')} ${of('object')} (${of('context')})`);
      }
    });
    return found;
  }

  test('campaigns are sent, paused, resumed, cancelled and taken over, and nothing is refused', async () => {
    const stage = await Stage.open(scene, 1, { information: 2_000, alert: 500 });
    stage.unsent.add('cancelled');
    await stage.launchBoth();
    const cancelled = await stage.launch('information');
    await stage.somewhere(0.1, 0.2);
    const [worker = ''] = scene.names('worker');
    await stage.crash(worker);
    await scene.kill(worker);
    for (const verb of ['pause', 'resume', 'cancel']) await scene.api('POST', `/campaigns/${cancelled.id}/${verb}`);
    await scene.start(worker);
    const { problems } = await stage.verdict();
    expect(await refused()).toEqual([]);
    expect(problems).toEqual([]);
  });

  test.each<[RedisAclRole, (string | number)[]]>([
    ['api', ['XRANGE', '{north}:outcomes', '-', '+']],
    ['api', ['GET', '{north}:content:1']],
    ['api', ['XRANGE', '{plan}:campaigns', '-', '+']],
    ['planner', ['XADD', '{north}:receipts', '*', 'a', 'b']],
    ['planner', ['XRANGE', '{north}:aside', '-', '+']],
    ['planner', ['DEL', '{north}:outcomes']],
    ['planner', ['SET', '{north}:epoch', 'x']],
    ['worker', ['XADD', '{plan}:campaigns', '*', 'a', 'b']],
    ['worker', ['SET', '{north}:content:1', 'x']],
    ['worker', ['XTRIM', '{north}:outcomes', 'MAXLEN', 0]],
    ['recorder', ['XREADGROUP', 'GROUP', 'workers', 'x', 'STREAMS', '{north}:campaign:1', '>']],
    ['recorder', ['HSET', '{north}:slots', '0', 'x']],
    ...(['api', 'planner', 'worker', 'recorder'] as const).flatMap((role) =>
      [['FLUSHALL'], ['KEYS', '*'], ['CONFIG', 'GET', '*'], ['ACL', 'LIST'], ['SHUTDOWN'], ['GET', 'another']].map(
        (command): [RedisAclRole, string[]] => [role, command],
      ),
    ),
  ])('%s may not %j', async (role, [command = '', ...args]) => {
    const { port } = await scene.redis.primaryOf('{north}');
    const client = new Redis({ port, host: '127.0.0.1', username: `tocsin-${role}`, password });
    try {
      await expect(client.call(String(command), ...args)).rejects.toThrow(/^NOPERM/);
    } finally {
      client.disconnect();
    }
  });
});
