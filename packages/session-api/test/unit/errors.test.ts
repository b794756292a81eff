import { ERRORS, MeridianError } from '@meridian/protocol';
import Fastify from 'fastify';
import { describe, expect, test } from 'vitest';
import { sendError, toMeridianError } from '../../src/http/errors.ts';
import { Metrics } from '../../src/metrics.ts';

const anApp = () => {
  const app = Fastify();
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
