import { FakeClock } from './fake-clock.ts';

/** Timers that a test lets run; the time of day is the real one, so that tokens are good. */
export class HandClock extends FakeClock {
  override wallNow(): number {
    return Date.now();
  }
}
