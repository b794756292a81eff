import { ERRORS, ErrorCode, MeridianError } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import { CLIENT_ERRORS, ClientError, isSdkError, MeridianApi, toSdkError } from '../../src/index.ts';
import { codeOfFailure } from '../../src/media/devices.ts';
import { errorOfClose } from '../../src/signalling/close.ts';
import { FakeRuntime, HttpFailure } from '../support/fake-runtime.ts';

const named = (name: string) => new DOMException('no', name);

describe('failures of devices', () => {
  it.each([
    ['camera', named('NotAllowedError'), 'camera-denied'],
    ['camera', named('NotFoundError'), 'camera-missing'],
    ['camera', named('OverconstrainedError'), 'camera-missing'],
    ['camera', named('NotReadableError'), 'camera-busy'],
    ['microphone', named('NotAllowedError'), 'microphone-denied'],
    ['microphone', named('SecurityError'), 'microphone-denied'],
    ['microphone', named('NotFoundError'), 'microphone-missing'],
    ['microphone', named('AbortError'), 'microphone-busy'],
    ['screen', named('NotAllowedError'), 'screen-denied'],
    ['screen', named('NotFoundError'), 'screen-unavailable'],
    ['screen', 'no error at all', 'screen-unavailable'],
  ] as const)('%s: %s is %s', (device, thrown, code) => {
    expect(codeOfFailure(device, thrown)).toBe(code);
  });
});

describe('the close of a connection', () => {
  it.each(ErrorCode.options)('with the reason %s has this code', (code) => {
    expect(errorOfClose({ code: ERRORS[code].close, reason: code }).code).toBe(code);
    expect(errorOfClose({ code: ERRORS[code].close, reason: `${code}: more words` }).code).toBe(code);
  });

  it('without a reason is told by the close code where that is one error’s alone', () => {
    expect(errorOfClose({ code: 4414, reason: '' }).code).toBe('session-kicked');
    expect(errorOfClose({ code: 4411, reason: '' }).code).toBe('room-ended');
  });

  it.each([1000, 1001, 1006, 1011])('by %i is a lost connection', (code) => {
    const error = errorOfClose({ code, reason: '' });
    expect(error).toMatchObject({ code: 'connection-lost', details: { closeCode: code } });
  });
});

describe('answers of the service', () => {
  const calling = async (answer: () => unknown) => {
    const runtime = new FakeRuntime();
    runtime.onFetch = answer;
    const api = new MeridianApi({ serviceUrl: 'https://meet.example.org/', runtime });
    const call = api.me('token');
    call.catch(() => {});
    await runtime.advance(10_000);
    return call;
  };
  const failing = (status: number, body: unknown) => () => {
    throw new HttpFailure(status, body);
  };

  it('with an error body carry its code, sentence, pause and details', async () => {
    const body = { code: 'rate-limited', message: 'Slow down.', retryAfterMs: 1_500, details: { per: 'account' } };
    await expect(calling(failing(429, { error: body }))).rejects.toMatchObject({
      name: 'MeridianError',
      ...body,
      retryable: true,
    });
  });

  it.each([502, 503, 504])('of a proxy in front of a dead service (%i) mean service-unreachable', async (status) => {
    await expect(calling(failing(status, '<h1>Bad gateway</h1>'))).rejects.toMatchObject({
      code: 'service-unreachable',
    });
  });

  it('of another form mean bad-reply, be it an error or not', async () => {
    await expect(calling(failing(404, '<h1>Not found</h1>'))).rejects.toMatchObject({ code: 'bad-reply' });
    await expect(calling(() => ({ user: 'Anna' }))).rejects.toMatchObject({ code: 'bad-reply' });
  });

  it('with a code that is not known yet mean bad-reply', async () => {
    const body = { error: { code: 'invented-later', message: 'x' } };
    await expect(calling(failing(400, body))).rejects.toMatchObject({ code: 'bad-reply' });
  });

  it('that do not come mean service-unreachable, or deadline-exceeded after a while', async () => {
    const down = () => {
      throw new TypeError('fetch failed');
    };
    await expect(calling(down)).rejects.toMatchObject({ code: 'service-unreachable' });
    await expect(calling(() => new Promise(() => {}))).rejects.toMatchObject({ code: 'deadline-exceeded' });
  });
});

describe('errors', () => {
  it('keep their class, and unknown ones their cause', () => {
    const known = new ClientError('camera-busy');
    expect(toSdkError(known)).toBe(known);
    const strange = new RangeError('x');
    expect(toSdkError(strange)).toMatchObject({ code: 'internal', cause: strange });
    expect(toSdkError(strange, 'browser-unsupported')).toMatchObject({ code: 'browser-unsupported', cause: strange });
  });

  it('are told apart by code', () => {
    const error = new MeridianError('room-full');
    expect(isSdkError(error)).toBe(true);
    expect(isSdkError(error, 'room-full', 'room-ended')).toBe(true);
    expect(isSdkError(error, 'room-ended')).toBe(false);
    expect(isSdkError(new Error('room-full'))).toBe(false);
  });

  it('of the SDK and of the protocol have no code in common', () => {
    expect(Object.keys(CLIENT_ERRORS).filter((code) => Object.hasOwn(ERRORS, code))).toEqual([]);
  });
});
