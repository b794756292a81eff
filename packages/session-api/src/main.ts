import { isMeridianError } from '@meridian/protocol';
import { loadConfig } from './config.ts';
import { createLogger } from './logger.ts';
import { startSessionApi } from './service.ts';

/** The process is ended by force when an orderly stop takes longer than this and the delay before it, milliseconds. */
const STOP_TIMEOUT_MS = 10_000;

async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const logger = createLogger({ level: config.logLevel });
  const service = await startSessionApi({ config, logger });
  // SIGINT, or a second signal, does not wait for whoever balances requests.
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    logger.info({ signal }, 'stopping');
    const delayMs = signal === 'SIGTERM' && !stopping ? config.closeDelayMs : 0;
    const closed = service.close({ delayMs });
    if (stopping) return;
    stopping = true;
    setTimeout(() => {
      logger.error({ afterMs: delayMs + STOP_TIMEOUT_MS }, 'did not stop in time');
      process.exit(1);
    }, delayMs + STOP_TIMEOUT_MS).unref();
    closed.then(
      () => {
        logger.info({}, 'stopped');
        process.exitCode = 0;
      },
      (err: unknown) => {
        logger.error({ err }, 'stopped with errors');
        process.exitCode = 1;
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

try {
  await main();
} catch (error) {
  // What is the operator's to mend gets one clear message instead of a stack.
  if (isMeridianError(error)) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
    console.error(`${error.message}${cause}`);
    process.exit(error.code === 'config-invalid' ? 2 : 1);
  }
  console.error(error);
  process.exit(1);
}
