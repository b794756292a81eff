import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

/** Never written out, wherever they stand in what is logged. */
const REDACTED = ['token', 'roomToken', 'sessionToken', 'keyBase64', 'password', 'authorization'].flatMap((name) => [
  name,
  `*.${name}`,
  `*.*.${name}`,
]);

export function createLogger(options: { level: string; name: string }, destination?: DestinationStream): Logger {
  const settings = {
    level: options.level,
    name: options.name,
    redact: {
      paths: [
        ...REDACTED,
        'req.headers.authorization',
        'req.headers["sec-websocket-protocol"]',
        'headers["sec-websocket-protocol"]',
      ],
      censor: '[redacted]',
    },
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}
