import {
  type ConfigOf,
  flag,
  integer,
  list,
  MeridianError,
  optionalText,
  proxies,
  readConfig,
  setting,
  text,
} from '@meridian/protocol';
import { z } from 'zod';
import type { TurnCredentials } from './ice.ts';

const httpUrl = z
  .string()
  .regex(/^https?:\/\/[^\s/?#]+\/?$/, 'must be the origin alone, such as https://meet.example.org')
  .transform((url) => url.replace(/\/$/, ''));

const iceUrls = (schemes: string) =>
  list.pipe(z.array(z.string().regex(new RegExp(`^(${schemes}):[^\\s,]+$`), `must hold ${schemes}: URLs`)));

/** Every setting of the session service: the type, the check, the default and the row in the README's table. */
export const settings = {
  publicUrl: setting(
    httpUrl,
    'Address of this service and of the web app as browsers see it; stands in tokens and links.',
    {
      fallback: 'http://localhost:7080',
    },
  ),
  httpHost: setting(text, 'Address the HTTP server listens on.', { fallback: '127.0.0.1' }),
  httpPort: setting(integer(0, 65_535), 'Its port; 0 takes a free one.', { fallback: '7080' }),
  redisUrl: setting(
    text,
    'redis://, redis+sentinel://host:port,host:port/master-name or redis+cluster://host:port,host:port; rediss for TLS.',
    { secret: true },
  ),
  redisPrefix: setting(text, 'Begins every key and channel in Redis; the same for the whole cluster.', {
    fallback: 'mer:',
  }),
  redisTimeoutMs: setting(integer(50, 60_000), 'Longest wait for the answer to one Redis command, ms.', {
    fallback: '2000',
  }),
  leaseMs: setting(
    integer(1_000, 120_000),
    'A node that is silent in Redis for so long counts as dead, ms; the same for the whole cluster.',
    { fallback: '5000' },
  ),
  startWaitMs: setting(
    integer(0, 3_600_000),
    'How long a start waits for Redis and the store before it gives up, ms.',
    { fallback: '120000' },
  ),
  store: setting(
    z.string().regex(/^(sqlite:.+|mongodb(\+srv)?:\/\/.+)$/, 'must be sqlite:<path> or a mongodb:// address'),
    'Durable data: sqlite:<path of a file> or a mongodb:// address.',
    { fallback: 'sqlite:.data/meridian.sqlite', secret: true },
  ),
  storeGraceMs: setting(
    integer(0, 3_000_000),
    'While the database is away, users, rooms and memberships that were read no longer ago than this may join, ms; 0 lets nobody in then.',
    { fallback: '2700000' },
  ),
  keysDir: setting(text, 'Folder of the signing keys, shared by all instances; the first start makes a key.', {
    fallback: '.data/keys',
  }),
  webDir: setting(optionalText, 'Folder of the built web app; empty serves the API only.', { fallback: '' }),
  logLevel: setting(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']), 'Least severe log line.', {
    fallback: 'info',
  }),
  metricsToken: setting(optionalText, 'Bearer token that /metrics asks for; empty leaves it open.', {
    fallback: '',
    secret: true,
  }),
  trustProxy: setting(
    proxies,
    'Proxies whose X-Forwarded-For is believed: addresses or ranges, separated by commas, or loopback, linklocal, uniquelocal. Empty believes none.',
    { fallback: '' },
  ),
  corsOrigins: setting(list, 'Origins of other pages that may call the API, separated by commas; * allows all.', {
    fallback: '',
  }),
  connectSources: setting(
    list,
    'What the web app may connect to besides this service (CSP connect-src), such as wss://*.example.org; empty allows every node address.',
    { fallback: '' },
  ),
  allowForcedRegion: setting(flag, 'May clients ask for a region?', { fallback: 'false' }),
  guestsMayCreateRooms: setting(flag, 'May guests create rooms?', { fallback: 'true' }),
  geoipDb: setting(text, 'Location database (.mmdb, countries or cities): a path, bundled (countries), or none.', {
    fallback: 'bundled',
  }),
  stunUrls: setting(iceUrls('stuns?'), 'STUN servers for clients, separated by commas.', { fallback: '' }),
  turnUrls: setting(iceUrls('turns?'), 'TURN servers for clients, separated by commas.', { fallback: '' }),
  turnUsername: setting(optionalText, 'Static TURN user name; goes with turnPassword.', { fallback: '' }),
  turnPassword: setting(optionalText, 'Static TURN password.', { fallback: '', secret: true }),
  turnSecret: setting(optionalText, "coturn's static-auth-secret: hands out credentials that run out instead.", {
    fallback: '',
    secret: true,
  }),
  turnTtlS: setting(integer(60, 7 * 86_400), 'Life of those credentials, seconds.', { fallback: '43200' }),
  accountTokenTtlS: setting(integer(60, 400 * 86_400), 'Life of the user token of an account, seconds.', {
    fallback: '2592000',
  }),
  guestTokenTtlS: setting(integer(60, 400 * 86_400), 'Life of the user token of a guest, seconds.', {
    fallback: '604800',
  }),
  sessionTokenTtlS: setting(
    integer(60, 7 * 86_400),
    'Life of a session token, seconds: a call can reconnect so long.',
    {
      fallback: '43200',
    },
  ),
  roomTokenTtlS: setting(integer(1, 600), 'Life of a room token, seconds.', { fallback: '60' }),
  keyPublishAheadS: setting(integer(0, 86_400), 'How long a new signing key is published before it signs, seconds.', {
    fallback: '900',
  }),
  keysRefreshMs: setting(integer(20, 600_000), 'How often the folder of the keys is read again, milliseconds.', {
    fallback: '5000',
  }),
  passwordConcurrency: setting(integer(1, 64), 'Passwords hashed at once; each takes 19 MiB.', { fallback: '2' }),
  passwordQueue: setting(integer(0, 10_000), 'Passwords that may wait for their turn; more are answered with 429.', {
    fallback: '64',
  }),
  requestsPerMinute: setting(integer(1, 1_000_000), 'API requests per address and minute, over all instances.', {
    fallback: '1200',
  }),
  guestsPerMinute: setting(integer(1, 1_000_000), 'Guest entries per address and minute, over all instances.', {
    fallback: '300',
  }),
  signInsPerMinute: setting(
    integer(1, 1_000_000),
    'Logins, registrations and password changes per address and minute, over all instances.',
    { fallback: '30' },
  ),
  signInsPerAccount: setting(
    integer(1, 1_000_000),
    'Failed logins (or registrations) per e-mail address in 15 minutes, over all instances.',
    { fallback: '10' },
  ),
  roomsPerMinute: setting(integer(1, 1_000_000), 'Rooms created per address and minute, over all instances.', {
    fallback: '120',
  }),
  roomsPerUser: setting(integer(1, 1_000), 'Rooms that one user may own.', { fallback: '100' }),
  sessionsPerMinute: setting(
    integer(1, 1_000_000),
    'Sessions that one user may ask for per minute, over all instances.',
    { fallback: '120' },
  ),
  joinsPerMinute: setting(
    integer(1, 1_000_000),
    'Attempts of one user to get a place in a room per minute, over all instances.',
    { fallback: '120' },
  ),
  requestTimeoutMs: setting(integer(100, 600_000), 'How long a request may take to arrive, head and body, ms.', {
    fallback: '15000',
  }),
  closeDelayMs: setting(
    integer(0, 600_000),
    'After SIGTERM it serves for so long though it is not ready, ms: longer than whoever balances needs to notice, and than it keeps idle connections.',
    { fallback: '5000' },
  ),
  chatKeepDays: setting(integer(0, 36_500), 'Chat older than this is removed, days; 0 keeps it.', { fallback: '0' }),
} as const;

export type SessionApiConfig = ConfigOf<typeof settings>;

/** Reads and checks the environment. @throws MeridianError `config-invalid` that names everything wrong at once */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): SessionApiConfig {
  return checkConfig(readConfig(settings, env));
}

/** Rules between settings. @throws MeridianError `config-invalid` that says what to change */
export function checkConfig(config: SessionApiConfig): SessionApiConfig {
  const problems: string[] = [];
  const { turnUrls, turnUsername, turnPassword, turnSecret } = config;
  if ((turnUsername === undefined) !== (turnPassword === undefined)) {
    problems.push('MERIDIAN_TURN_USERNAME and MERIDIAN_TURN_PASSWORD go together: set both or none');
  }
  if (turnSecret !== undefined && turnUsername !== undefined) {
    problems.push('MERIDIAN_TURN_SECRET and MERIDIAN_TURN_USERNAME exclude each other: set one of them');
  }
  if (turnUrls.length > 0 && turnSecret === undefined && turnUsername === undefined) {
    problems.push(
      'MERIDIAN_TURN_URLS needs MERIDIAN_TURN_SECRET, or MERIDIAN_TURN_USERNAME with MERIDIAN_TURN_PASSWORD',
    );
  }
  if (config.corsOrigins.length > 1 && config.corsOrigins.includes('*')) {
    problems.push('MERIDIAN_CORS_ORIGINS holds * besides other origins: keep one or the other');
  }
  if (problems.length > 0) {
    throw new MeridianError('config-invalid', {
      message: `The configuration is wrong:\n  - ${problems.join('\n  - ')}`,
      details: { problems },
    });
  }
  return config;
}

export function turnCredentialsOf(config: SessionApiConfig): TurnCredentials {
  const { turnUsername, turnPassword, turnSecret, turnTtlS } = config;
  if (turnSecret !== undefined) return { kind: 'time-limited', secret: turnSecret, ttlS: turnTtlS };
  if (turnUsername !== undefined && turnPassword !== undefined) {
    return { kind: 'static', username: turnUsername, credential: turnPassword };
  }
  return { kind: 'none' };
}

/** Longest life of an invitation, seconds (protocol: InvitationRequest). */
const INVITATION_MAX_S = 90 * 86_400;
/** How long after its expiry a session token still names the session it was for, seconds. */
export const SESSION_TAKEOVER_S = 86_400;

export function keyLifetimesOf(
  config: Pick<SessionApiConfig, 'accountTokenTtlS' | 'guestTokenTtlS' | 'sessionTokenTtlS' | 'roomTokenTtlS'>,
): { nodeTokensMs: number; allTokensMs: number } {
  const { accountTokenTtlS, guestTokenTtlS, sessionTokenTtlS, roomTokenTtlS } = config;
  const longestS = Math.max(accountTokenTtlS, guestTokenTtlS, sessionTokenTtlS + SESSION_TAKEOVER_S, INVITATION_MAX_S);
  // A minute more than the tokens live: clocks differ.
  return {
    nodeTokensMs: (Math.max(sessionTokenTtlS, roomTokenTtlS) + 60) * 1_000,
    allTokensMs: (longestS + 60) * 1_000,
  };
}
