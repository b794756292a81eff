import { isMeridianError, MeridianError } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Streams } from '../../src/relay/streams.ts';

class TestStream {
  readonly #onClose: () => void;
  closed = false;

  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#onClose();
  }
}

describe('the streams of a relay end', () => {
  it('opens one stream for all who ask at the same time', async () => {
    const streams = new Streams<string, TestStream>(() => {});
    let opened = 0;
    const open = async () => {
      opened++;
      return new TestStream(() => {});
    };

    const all = await Promise.all([streams.ensure('a', open), streams.ensure('a', open), streams.ensure('a', open)]);

    expect(opened).toBe(1);
    expect(new Set(all).size).toBe(1);
  });

  it('forgets an attempt that failed', async () => {
    const streams = new Streams<string, TestStream>(() => {});
    await expect(streams.ensure('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');

    const stream = await streams.ensure('a', async () => new TestStream(() => {}));

    expect(streams.all).toEqual([stream]);
  });

  it('says closed, not what the worker said, when the end closed meanwhile', async () => {
    let closed = false;
    const streams = new Streams<string, TestStream>(() => {
      if (closed) throw new MeridianError('closed');
    });
    const opening = streams.ensure('a', () => Promise.reject(new Error('channel closed')));
    closed = true;

    await expect(opening).rejects.toMatchObject({ code: 'closed' });
  });

  it('never has two open streams of one id, and closes each that is taken off, in any order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.constantFrom('ensure', 'take', 'end'), { maxLength: 30 }),
        async (scheduler, commands) => {
          const open = new Set<TestStream>();
          let most = 0;
          const streams = new Streams<string, TestStream>(() => {});
          const opener = async () => {
            await scheduler.schedule(Promise.resolve());
            const stream: TestStream = new TestStream(() => open.delete(stream));
            open.add(stream);
            most = Math.max(most, open.size);
            return stream;
          };
          const outcomes: Promise<unknown>[] = [];
          for (const command of commands) {
            if (command === 'ensure') {
              outcomes.push(
                streams.ensure('a', opener).catch((error: unknown) => {
                  if (!isMeridianError(error, 'producer-not-found')) throw error;
                }),
              );
            } else if (command === 'take') streams.take('a');
            else {
              const [stream] = streams.all;
              if (stream !== undefined) {
                stream.close();
                expect(streams.ended('a', stream)).toBe(true);
              }
            }
            if (scheduler.count() > 0) await scheduler.waitOne();
            await Promise.resolve();
          }
          await scheduler.waitAll();
          await Promise.all(outcomes);

          expect(most).toBeLessThanOrEqual(1);
          expect(streams.all).toEqual([...open]);
          streams.takeAll();
          expect([open.size, streams.ids.length]).toEqual([0, 0]);
        },
      ),
    );
  });
});
