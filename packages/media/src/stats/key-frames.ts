import type { types } from 'mediasoup';

/** Counts the key frames that video producers receive, by mediasoup's trace events. */
export class KeyFrames {
  readonly #counts = new WeakMap<types.Producer, number>();

  watch(producer: types.Producer): void {
    if (producer.kind !== 'video' || this.#counts.has(producer)) return;
    this.#counts.set(producer, 0);
    producer.on('trace', ({ type }) => {
      if (type === 'keyframe') this.#counts.set(producer, this.of(producer) + 1);
    });
    // Fails only when the producer is closed already: nothing is left to count then.
    producer.enableTraceEvent(['keyframe']).catch(() => {});
  }

  of(producer: types.Producer): number {
    return this.#counts.get(producer) ?? 0;
  }
}
