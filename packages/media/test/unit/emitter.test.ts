import { describe, expect, it } from 'vitest';
import { Emitter } from '../../src/emitter.ts';

describe('an emitter', () => {
  const make = () => {
    const errors: unknown[] = [];
    const emitter = new Emitter<{ said: [string, number] }>((error) => errors.push(error));
    return { emitter, errors };
  };

  it('tells every listener in order, until each is taken off by its own undoing', () => {
    const { emitter } = make();
    const heard: string[] = [];
    const listener = (word: string, times: number) => heard.push(word.repeat(times));
    const offFirst = emitter.on('said', listener);
    emitter.on('said', listener);

    emitter.emit('said', 'a', 2);
    offFirst();
    offFirst();
    emitter.emit('said', 'b', 1);

    expect(heard).toEqual(['aa', 'aa', 'b']);
  });

  it('lets no listener keep the others from hearing', () => {
    const { emitter, errors } = make();
    const heard: string[] = [];
    emitter.on('said', () => {
      throw new Error('broken listener');
    });
    emitter.on('said', (word) => heard.push(word));

    emitter.emit('said', 'a', 1);

    expect(heard).toEqual(['a']);
    expect(errors).toEqual([expect.objectContaining({ message: 'broken listener' })]);
  });

  it('is silent once it is closed', () => {
    const { emitter } = make();
    const heard: string[] = [];
    emitter.on('said', (word) => heard.push(word));

    emitter.close();
    emitter.on('said', (word) => heard.push(word));
    emitter.emit('said', 'a', 1);

    expect(heard).toEqual([]);
  });
});
