import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../../src/redis/url.ts';

describe('the URL of Redis', () => {
  it.each([
    ['redis://localhost', { kind: 'single', address: { host: 'localhost', port: 6379 }, db: 0, tls: false }],
    ['redis://10.0.0.1:6380/3', { kind: 'single', address: { host: '10.0.0.1', port: 6380 }, db: 3, tls: false }],
    [
      'rediss://ann:p%40ss@redis.example:6390',
      {
        kind: 'single',
        address: { host: 'redis.example', port: 6390 },
        db: 0,
        tls: true,
        username: 'ann',
        password: 'p@ss',
      },
    ],
    [
      'redis://:secret@[::1]:7000',
      { kind: 'single', address: { host: '::1', port: 7000 }, db: 0, tls: false, password: 'secret' },
    ],
    [
      'redis+sentinel://one:26379,two/main/2',
      {
        kind: 'sentinel',
        sentinels: [
          { host: 'one', port: 26379 },
          { host: 'two', port: 26379 },
        ],
        master: 'main',
        db: 2,
        tls: false,
      },
    ],
    [
      'rediss+sentinel://one/main',
      { kind: 'sentinel', sentinels: [{ host: 'one', port: 26379 }], master: 'main', db: 0, tls: true },
    ],
    ['rediss+cluster://a:1', { kind: 'cluster', seeds: [{ host: 'a', port: 1 }], tls: true }],
    [
      'redis+cluster://ann:x@a:1,b:2',
      {
        kind: 'cluster',
        seeds: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        tls: false,
        username: 'ann',
        password: 'x',
      },
    ],
  ])('%s is understood', (url, target) => {
    expect(parseRedisUrl(url)).toEqual(target);
  });

  it.each([
    '',
    'http://localhost:6379',
    'redis://',
    'redis://one,two',
    'redis://host:0',
    'redis://host:99999',
    'redis://host/one',
    'redis://host/1/2',
    'redis+sentinel://one:26379',
    'redis+cluster://one:1/0',
    'redis+cloud://one',
    'redis://%zz@host',
  ])('%j is refused, and the message says which forms there are', (url) => {
    expect(() => parseRedisUrl(url)).toThrow(
      expect.objectContaining({ code: 'config-invalid', message: expect.stringContaining('redis+cluster://') }),
    );
  });

  it('never shows up in the error: it may hold a password', () => {
    expect(() => parseRedisUrl('redis://:hunter2@host:port')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    );
  });
});
