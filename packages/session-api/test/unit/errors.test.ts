import { ERRORS, MeridianError } from '@meridian/protocol';
import Fastify, { type FastifyBaseLogger } from 'fastify';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { sendError, toMeridianError } from '../../src/http/errors.ts';
import { Metrics } from '../../src/metrics.ts';

const anApp = (logger: FastifyBaseLogger = pino({ level: 'silent' })) => {
  const app = Fastify({ loggerInstance: logger });
  const metrics = new Metrics({ passwordsPending: () => 0 });
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, metrics));
  return app;
};

describe('what is thrown', () => {
  test('unexpectedly becomes an internal error that tells nothing of its cause', async () => {
    const app = anApp();
    app.get('/', () => {
      throw new Error('password of the database: hunter2');
    });
    const { statusCode, body } = await app.inject('/');

    expect(statusCode).toBe(500);
    expect(JSON.parse(body)).toEqual({ error: { code: 'internal', message: ERRORS.internal.message } });
    expect(toMeridianError('not even an error').code).toBe('internal');
  });

  test('because something of ours is out of reach tells the caller the sentence of the table, and the log the rest', async () => {
    const lines: string[] = [];
    const app = anApp(pino({}, { write: (line: string) => void lines.push(line) }));
    app.get('/store', () => {
      const cause = new Error('connect ECONNREFUSED 10.0.0.9:27017');
      throw new MeridianError('store-unavailable', {
        cause,
        retryAfterMs: 1_000,
        details: { problem: 'no server answers' },
      });
    });
    app.get('/cluster', () => {
      throw new MeridianError('cluster-unavailable', {
        message: 'Redis is out of reach (rooms.nodes: Command timed out)',
      });
    });

    expect((await app.inject('/store')).json()).toEqual({
      error: { code: 'store-unavailable', message: ERRORS['store-unavailable'].message, retryAfterMs: 1_000 },
    });
    expect((await app.inject('/cluster')).json()).toEqual({
      error: { code: 'cluster-unavailable', message: ERRORS['cluster-unavailable'].message },
    });
    const log = lines.join('');
    for (const part of ['no server answers', 'ECONNREFUSED 10.0.0.9:27017', 'rooms.nodes: Command timed out']) {
      expect(log).toContain(part);
    }
  });

  test('by a handler that takes too long is a deadline', async () => {
    const app = anApp();
    app.get('/', { handlerTimeout: 5 }, () => new Promise(() => {}));

    expect((await app.inject('/')).json()).toMatchObject({ error: { code: 'deadline-exceeded' } });
  });

  test('with a time to retry says so in the header, in whole seconds and never zero', async () => {
    const app = anApp();
    const errors: Record<string, MeridianError> = {
      soon: new MeridianError('cluster-unavailable', { retryAfterMs: 20 }),
      later: new MeridianError('rate-limited', { retryAfterMs: 61_001 }),
      unknown: new MeridianError('store-unavailable'),
      never: new MeridianError('forbidden'),
    };
    app.get<{ Params: { which: string } }>('/:which', ({ params }) => {
      throw errors[params.which] ?? new Error('no such case');
    });
    const retryAfter = async (which: string) => (await app.inject(`/${which}`)).headers['retry-after'];

    expect(await retryAfter('soon')).toBe('1');
    expect(await retryAfter('later')).toBe('62');
    expect(await retryAfter('unknown')).toBe('1');
    expect(await retryAfter('never')).toBeUndefined();
  });
});
