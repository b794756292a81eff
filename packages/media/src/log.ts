import { setLogEventListeners } from 'mediasoup';
import type { MediaLogger } from './options.ts';

/**
 * Sends mediasoup's own warnings and errors, those of the worker processes included, to the logger.
 * mediasoup keeps one set of listeners per process: to be called once, where the process is put together.
 */
export function logMediasoup(logger: MediaLogger): void {
  setLogEventListeners({
    onwarn: (namespace, log) => logger.warn({ namespace }, log),
    onerror: (namespace, log, error) =>
      logger.error({ namespace, ...(error === undefined ? {} : { err: error }) }, log),
  });
}
