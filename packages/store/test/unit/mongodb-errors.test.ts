import { MeridianError } from '@meridian/protocol';
import {
  MongoInvalidArgumentError,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoServerClosedError,
  MongoServerError,
  MongoTopologyClosedError,
  MongoUnexpectedServerResponseError,
  MongoWriteConcernError,
} from 'mongodb';
import { describe, expect, it } from 'vitest';
import { fromMongo, isDuplicateKey, isNotSupported, isRefusedLogin } from '../../src/mongodb/errors.ts';

const serverError = (code: number, errorLabels: string[] = []) =>
  new MongoServerError({ message: `code ${code}`, code, errorLabels });

describe('what the MongoDB driver throws', () => {
  it.each([
    ['a lost connection', new MongoNetworkError('connection closed')],
    ['a connection that timed out', new MongoNetworkTimeoutError('timed out')],
    ['a server that has just been given up', new MongoServerClosedError('Server is closed')],
    ['an answer that broke off', new MongoUnexpectedServerResponseError('Unable to get response from server')],
    ['not writable primary', serverError(10_107)],
    ['not primary or secondary', serverError(13_436)],
    ['primary stepped down', serverError(189)],
    ['interrupted at shutdown', serverError(11_600)],
    ['shutdown in progress', serverError(91)],
    ['a time limit on the server', serverError(50)],
    ['an error that the server calls retryable', serverError(4_242, ['RetryableWriteError'])],
    ['an overloaded server', serverError(4_242, ['SystemOverloadedError'])],
    [
      'a write that too few servers confirmed',
      new MongoWriteConcernError({
        ok: 1,
        writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' },
      }),
    ],
  ])('is store-unavailable with a time to wait: %s', (_, thrown) => {
    const error = fromMongo(thrown);
    expect(error).toMatchObject({ code: 'store-unavailable', status: 503, cause: thrown });
    expect(error.retryAfterMs).toBeGreaterThan(0);
  });

  it.each([
    ['a duplicate key', serverError(11_000)],
    ['a wrong argument', new MongoInvalidArgumentError('wrong')],
    ['no document of the driver’s', new TypeError('undefined is not a function')],
    ['something that is no error', 'text'],
  ])('is internal and keeps its cause: %s', (_, thrown) => {
    expect(fromMongo(thrown)).toMatchObject({ code: 'internal', cause: thrown });
  });

  it('is closed after the client was closed', () => {
    expect(fromMongo(new MongoTopologyClosedError('Topology is closed'))).toMatchObject({ code: 'closed' });
  });

  it('stays what it is when it is a MeridianError', () => {
    const error = new MeridianError('email-taken');
    expect(fromMongo(error)).toBe(error);
  });

  it('is told apart: duplicate key, not supported, refused login', () => {
    const told = (code: number) => {
      const thrown = serverError(code);
      return [isDuplicateKey(thrown), isNotSupported(thrown), isRefusedLogin(thrown)];
    };
    expect(told(11_000)).toEqual([true, false, false]);
    expect(told(238)).toEqual([false, true, false]);
    expect(told(18)).toEqual([false, false, true]);
    expect(told(10_107)).toEqual([false, false, false]);
  });
});
