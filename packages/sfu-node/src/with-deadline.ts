import { MeridianError } from '@meridian/protocol';
import type { Clock } from './clock.ts';

/** @throws MeridianError `deadline-exceeded` when the work takes longer; it goes on all the same */
export function withDeadline<T>(clock: Clock, withinMs: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const cancel = clock.after(withinMs, () => reject(new MeridianError('deadline-exceeded')));
  return Promise.race([work, promise]).finally(cancel);
}
