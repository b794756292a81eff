import { isMeridianError } from '@meridian/protocol';
import { loadConfig } from './config.ts';
import { createLogger } from './logger.ts';
import { startSessionApi } from './service.ts';

/** The process is ended by force when an orderly stop takes longer, milliseconds. */
const STOP_TIMEOUT_MS = 10_000;

async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const logger = createLogger({ level: config.logLevel });
  const service = await startSessionApi({ config, logger });
  const stop = (signal: NodeJS.Signals) => {
    logger.info({ signal }, 'stopping');
    setTimeout(() => {
      logger.error({ afterMs: STOP_TIMEOUT_MS }, 'did not stop in time');
      process.exit(1);
    }, STOP_TIMEOUT_MS).unref();
    service.close().then(
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
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
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
