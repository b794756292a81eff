export { checkConfig, loadConfig, type SessionApiConfig, settings } from './config.ts';
export { createLogger } from './logger.ts';
export { type SessionApi, type SessionApiOptions, startSessionApi } from './service.ts';
