/** Forms of REDIS_URL, and what is said of those that are none. */
import { expect, test } from 'vitest';
import { parseRedisUrl, redisUrlProblem } from '../../src/stream/redis-url.ts';

test.each([
  ['redis://cache', { kind: 'single', endpoints: [{ host: 'cache', port: 6379 }], isTls: false, database: 0 }],
  ['rediss://cache:7000/3', { kind: 'single', endpoints: [{ host: 'cache', port: 7000 }], isTls: true, database: 3 }],
  [
    'redis://worker:p%40ss%3A@[::1]:7000',
    { username: 'worker', password: 'p@ss:', endpoints: [{ host: '::1', port: 7000 }] },
  ],
  ['redis://:secret@cache', { password: 'secret' }],
  [
    'rediss+cluster://u:p@a,b:7000',
    {
      kind: 'cluster',
      isTls: true,
      username: 'u',
      endpoints: [
        { host: 'a', port: 6379 },
        { host: 'b', port: 7000 },
      ],
    },
  ],
  [
    'redis+sentinel://a,b:7000/my-set',
    {
      kind: 'sentinel',
      group: 'my-set',
      endpoints: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 7000 },
      ],
    },
  ],
])('url - %s', (url, expected) => {
  expect(parseRedisUrl(url)).toMatchObject(expected);
});

test.each([
  ['memcached://cache', 'must begin with'],
  ['redis+cluster:cache', 'must begin with'],
  ['redis://', 'must name its hosts'],
  ['redis://a,b', 'names several servers'],
  ['redis://a:99999', 'has a port that is none'],
  ['redis://a/first', 'may end with the number of a database'],
  ['redis+cluster://a/1', 'a cluster has no databases'],
  ['redis+sentinel://a', 'must end with /name'],
  ['redis://user:100%secret@a', 'percent-encoding'],
  ['redis://user:my@secret@a', 'write @ as %40'],
  ['redis://user:my/secret@a', 'write @ as %40'],
  ['redis://a b', 'must name its hosts'],
])('url - %s is refused', (url, reason) => {
  expect(redisUrlProblem(url)).toContain(reason);
  expect(redisUrlProblem(url)).not.toContain('secret');
});
