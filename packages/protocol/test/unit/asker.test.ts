import { describe, expect, test } from 'vitest';
import { Asker, MeridianError, readNotification } from '../../src/index.ts';

function anAsker(nextId?: number) {
  const sent: { t: string; id: number; method: string }[] = [];
  return { sent, asker: new Asker((text) => sent.push(JSON.parse(text)), nextId) };
}

describe('who asks', () => {
  test('gets each answer by its number, in whatever order they come', async () => {
    const { asker, sent } = anAsker();
    const first = asker.request('leave', {});
    const second = asker.ask(asker.takeId(), { method: 'no-such-method', data: 1 });
    expect(sent).toMatchObject([
      { t: 'req', id: 1, method: 'leave' },
      { t: 'req', id: 2, method: 'no-such-method' },
    ]);
    asker.hear({ t: 'pong', id: 1 });
    asker.hear({ t: 'err', id: 2, error: new MeridianError('unknown-message').toBody() });
    asker.hear({ t: 'res', id: 1, ok: true, data: {} });
    await expect(first).resolves.toEqual({});
    await expect(second).rejects.toMatchObject({ code: 'unknown-message' });
    // Again, and for nobody: nothing happens.
    asker.hear({ t: 'res', id: 1, ok: true, data: {} });
  });

  test('is told when a reply is not of the form', async () => {
    const { asker } = anAsker();
    const sent = asker.request('send-chat', { text: 'x' });
    asker.hear({ t: 'res', id: 1, ok: true, data: { message: 1 } });
    await expect(sent).rejects.toMatchObject({ code: 'internal' });
  });

  test('goes on counting where a former connection was lost, and hears when this one is', async () => {
    const { asker, sent } = anAsker(7);
    const lost = asker.request('leave', {});
    expect([sent[0]?.id, asker.nextId]).toEqual([7, 8]);
    asker.fail(new MeridianError('session-lost'));
    await expect(lost).rejects.toMatchObject({ code: 'session-lost' });
  });
});

test('a notification is read by its name, or refused', () => {
  expect(readNotification('consumer-closed', { consumerId: 'c1' })).toEqual({ consumerId: 'c1' });
  expect(() => readNotification('consumer-closed', {})).toThrow(MeridianError);
});
