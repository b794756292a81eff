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
  const stop = () => {
    if (stopping) return;
    stopping = true;
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
  // SIGTERM lets the calls move to other nodes first; SIGINT, or a second signal, does not wait for that.
  let draining = false;
  process.on('SIGTERM', (signal) => {
    logger.info({ signal }, 'stopping');
    if (draining || config.drainTimeoutMs === 0) stop();
    else {
      draining = true;
      void node.drain({ deadlineMs: config.drainTimeoutMs }).then(stop);
    }
  });
  process.on('SIGINT', (signal) => {
    logger.info({ signal }, 'stopping');
    stop();
  });
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
