export { type Cancel, type Clock, systemClock } from './clock.ts';
export { checkConfig, type NodeConfig, settings } from './config.ts';
export { createLogger, type Logger } from './logger.ts';
export { type SfuNode, type StartOptions, startSfuNode } from './start.ts';
