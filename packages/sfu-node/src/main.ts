import { isMeridianError, readConfig } from '@meridian/protocol';
import { settings } from './config.ts';
import { createLogger } from './logger.ts';
import { startSfuNode } from './start.ts';

/** Exit codes: 0 an orderly stop, 1 a failure, 2 a wrong configuration. */
async function main(): Promise<void> {
  const config = readConfig(settings, process.env);
  const logger = createLogger({ level: config.logLevel, name: 'sfu-node' });
  process.on('unhandledRejection', (error) => {
    logger.fatal({ err: error }, 'an unhandled rejection; the process ends');
    process.exit(1);
  });
  const node = await startSfuNode({ config, logger });
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'stopping');
    const late = setTimeout(() => {
      logger.fatal('the orderly stop took too long');
      process.exit(1);
    }, config.shutdownTimeoutMs);
    late.unref();
    node.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.fatal({ err: error }, 'the orderly stop failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

main().catch((error: unknown) => {
  if (isMeridianError(error)) {
    console.error(error.message);
    if (error.code !== 'config-invalid' && error.cause !== undefined) console.error(error.cause);
    process.exit(error.code === 'config-invalid' ? 2 : 1);
  }
  console.error(error);
  process.exit(1);
});
