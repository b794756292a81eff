import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

/** Never written out, at the top or up to two levels deep in what is logged. */
const SECRETS = [
  'authorization',
  'credential',
  'current',
  'd',
  'invitation',
  'next',
  'password',
  'passwordHash',
  'previousSessionToken',
  'privateJwk',
  'roomToken',
  'sessionToken',
  'token',
  'userToken',
].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

export function createLogger(options: { level: string }, destination?: DestinationStream): Logger {
  const settings = {
    level: options.level,
    name: 'session-api',
    redact: { paths: [...SECRETS, 'req.headers.authorization', 'headers.authorization'], censor: '[redacted]' },
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}
