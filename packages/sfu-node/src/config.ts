import {
  type ConfigOf,
  decimal,
  flag,
  integer,
  list,
  MeridianError,
  NodeId,
  optionalText,
  proxies,
  Region,
  setting,
  text,
} from '@meridian/protocol';
import { z } from 'zod';

const webSocketUrl = z.string().regex(/^wss?:\/\/[^\s/]+/, 'must start with ws:// or wss://');
/** As the session service writes it into its tokens: without a slash at the end. */
const issuer = z
  .string()
  .regex(/^(https?:\/\/[^\s/?#]+\/?)?$/, 'must be the origin alone, such as https://meet.example.org')
  .transform((url) => (url === '' ? undefined : url.replace(/\/$/, '')));
const httpUrl = z.string().regex(/^https?:\/\/[^\s/]+/, 'must start with http:// or https://');

/** Every setting of a node: the type, the check, the default and the row in the README's table. */
export const settings = {
  nodeId: setting(NodeId, 'Name of this node, unique in the cluster; lower-case letters, digits and inner "-".'),
  region: setting(Region, 'Label of the region it stands in, such as eu-west.'),
  regionName: setting(optionalText, 'The region as people read it, such as Amsterdam; default is the label.', {
    fallback: '',
  }),
  latitude: setting(decimal(-90, 90), 'Where the node stands, degrees north (WGS 84).'),
  longitude: setting(decimal(-180, 180), 'Where the node stands, degrees east (WGS 84).'),
  publicWsUrl: setting(webSocketUrl, 'WebSocket address for clients, such as wss://eu1.example.org/ws.'),
  publicProbeUrl: setting(httpUrl, 'Address of the RTT probe for clients, such as https://eu1.example.org/probe.'),
  jwksUrl: setting(httpUrl, "The session service's keys: its URL + /.well-known/jwks.json."),
  issuer: setting(
    issuer,
    "Who has to have issued the tokens: the session service's MERIDIAN_PUBLIC_URL. Empty takes any issuer whose key is in the list.",
    { fallback: '' },
  ),
  serviceUrl: setting(
    z.union([z.literal('').transform(() => undefined), httpUrl.transform((url) => url.replace(/\/$/, ''))]),
    'Address of the session service for this node, which renews the tokens of its sessions there. Empty: where the keys are.',
    { fallback: '' },
  ),
  httpHost: setting(text, 'Address the HTTP and WebSocket server listens on.', { fallback: '127.0.0.1' }),
  httpPort: setting(integer(0, 65_535), 'Its port; 0 takes a free one.', { fallback: '8081' }),
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
  startWaitMs: setting(integer(0, 3_600_000), 'How long a start waits for Redis before it gives up, ms.', {
    fallback: '120000',
  }),
  logLevel: setting(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']), 'Least severe log line.', {
    fallback: 'info',
  }),
  metricsToken: setting(optionalText, 'Bearer token that /metrics asks for; empty leaves it open.', {
    fallback: '',
    secret: true,
  }),
  allowedOrigins: setting(list, 'Origins of pages that may connect, separated by commas; * allows all.', {
    fallback: '*',
  }),
  trustProxy: setting(
    proxies,
    'Proxies whose X-Forwarded-For is believed: addresses or ranges, separated by commas, or loopback, linklocal, uniquelocal. Empty believes none; behind a proxy all clients then count as one address.',
    { fallback: '' },
  ),
  connectionsPerAddress: setting(
    integer(0, 1_000_000),
    'WebSockets that one address (IPv6: one /64) may have open; 0 for any number.',
    { fallback: '256' },
  ),
  unattachedPerAddress: setting(integer(1, 1_000_000), 'Of these, such as have no session yet.', { fallback: '64' }),
  attemptsPerMinute: setting(
    integer(0, 1_000_000),
    'WebSockets that one address may open per minute; 0 for any number.',
    { fallback: '1200' },
  ),
  maxUnattached: setting(integer(1, 1_000_000), 'WebSockets on the node that have no session yet.', {
    fallback: '1000',
  }),
  attachTimeoutMs: setting(integer(100, 600_000), 'How long a WebSocket may take to get a session, ms.', {
    fallback: '10000',
  }),
  requestTimeoutMs: setting(
    integer(100, 600_000),
    'How long the head of an HTTP request, and of a WebSocket upgrade, may take to arrive, ms.',
    { fallback: '10000' },
  ),
  sessionsPerUser: setting(integer(0, 100_000), 'Sessions that one user may have on this node; 0 for any number.', {
    fallback: '20',
  }),
  pinSessionAddress: setting(
    flag,
    'Refuse a session token that is used from another address than before (true), or only report it (false)? Phones change networks.',
    { fallback: 'false' },
  ),
  kickBanMs: setting(
    integer(0, 86_400_000),
    'How long somebody who was kicked is kept out of the room, ms; an invitation of after that ends it.',
    { fallback: '60000' },
  ),
  workers: setting(integer(0, 256), 'mediasoup workers; 0 is one per core.', { fallback: '0' }),
  rtcListenIp: setting(text, 'Address that client media arrives on.', { fallback: '0.0.0.0' }),
  rtcAnnouncedAddress: setting(optionalText, 'Address or host name told to clients; empty is the listen address.', {
    fallback: '',
  }),
  rtcPort: setting(integer(0, 65_000), 'Worker i takes this port + i, UDP and TCP; 0 takes any free ones.', {
    fallback: '40000',
  }),
  pipeListenIp: setting(text, 'Address that relay media of other nodes arrives on.', { fallback: '127.0.0.1' }),
  pipeAnnouncedAddress: setting(optionalText, 'Address told to other nodes; empty is the listen address.', {
    fallback: '',
  }),
  pipePortMin: setting(integer(1_024, 65_535), 'First UDP port for relays; each relay link takes one.', {
    fallback: '41000',
  }),
  pipePortMax: setting(integer(1_024, 65_535), 'Last UDP port for relays.', { fallback: '41999' }),
  maxSessions: setting(integer(1, 100_000), 'Sessions the node is meant to carry; it is full at this number.', {
    fallback: '500',
  }),
  maxConsumers: setting(integer(1, 100_000), 'Streams that one participant may receive at once.', {
    fallback: '512',
  }),
  maxIncomingBitrate: setting(
    integer(0, 1_000_000_000),
    'Bit/s that one participant may send: senders are told to stay below, who is a quarter over it for 15 s is ended; 0 for any rate.',
    { fallback: '6000000' },
  ),
  maxDataProducers: setting(integer(0, 64), 'Data channels one participant may publish.', { fallback: '8' }),
  pingEveryMs: setting(integer(20, 60_000), 'How often both sides of a connection say that they live, ms.', {
    fallback: '3000',
  }),
  deadAfterMs: setting(integer(50, 600_000), 'A peer that is silent for so long is dead, ms.', { fallback: '9000' }),
  resumeWindowMs: setting(
    integer(0, 600_000),
    'How long a participant whose connection was lost keeps its place and media and can resume, ms; 0: not at all.',
    { fallback: '15000' },
  ),
  reconnectingAfterMs: setting(
    integer(0, 600_000),
    'When the others are shown that a connection was lost, ms; most are back before.',
    { fallback: '2000' },
  ),
  resumeBufferBytes: setting(
    integer(4_096, 67_108_864),
    'Per session: notifications that a client has not acknowledged are kept for a resume up to this size, and again so much of answers.',
    { fallback: '1048576' },
  ),
  moveTimeoutMs: setting(
    integer(100, 600_000),
    'The longest that the media of a participant goes on here after it has moved to another node, ms; its client usually leaves sooner.',
    { fallback: '15000' },
  ),
  transportGraceMs: setting(
    integer(0, 600_000),
    'How long a participant whose transports are all disconnected may take to restart ICE, ms.',
    { fallback: '15000' },
  ),
  maxFrameBytes: setting(integer(4_096, 16_777_216), 'Largest signalling frame that is read, bytes.', {
    fallback: '262144',
  }),
  maxBufferedBytes: setting(
    integer(4_096, 1_073_741_824),
    'A connection with more than this unread is closed as a slow reader; from a quarter on, droppable news waits.',
    { fallback: '4194304' },
  ),
  requestsPerSecond: setting(integer(1, 100_000), 'Frames one connection may send, per second.', { fallback: '100' }),
  requestBurst: setting(integer(1, 100_000), 'Frames one connection may send at once.', { fallback: '500' }),
  chatPerSecond: setting(decimal(0.01, 10_000), 'Chat lines one participant may send, per second.', { fallback: '2' }),
  chatBurst: setting(integer(1, 10_000), 'Chat lines one participant may send at once.', { fallback: '10' }),
  maxInFlight: setting(integer(1, 10_000), 'Requests of one connection that may be under way.', { fallback: '256' }),
  relayGraceMs: setting(
    integer(0, 600_000),
    'A relayed stream that nobody here wants any more is kept for so long, ms.',
    { fallback: '2000' },
  ),
  drainTimeoutMs: setting(
    integer(0, 86_400_000),
    'How long the clients may take to move to other nodes after SIGTERM, ms; 0 ends all sessions at once, as SIGINT does.',
    { fallback: '30000' },
  ),
  shutdownTimeoutMs: setting(
    integer(100, 600_000),
    'Longest time an orderly stop may take once everybody has moved or was told to go, ms.',
    {
      fallback: '8000',
    },
  ),
} as const;

export type NodeConfig = ConfigOf<typeof settings>;

/** Rules between settings. @throws MeridianError `config-invalid` that says what to change. */
export function checkConfig(config: NodeConfig): NodeConfig {
  const problems: string[] = [];
  if (config.pipePortMin > config.pipePortMax) {
    problems.push('MERIDIAN_PIPE_PORT_MIN is above MERIDIAN_PIPE_PORT_MAX: no port is left for relays');
  }
  if (config.deadAfterMs < 2 * config.pingEveryMs) {
    problems.push('MERIDIAN_DEAD_AFTER_MS is less than twice MERIDIAN_PING_EVERY_MS: one lost ping would end a call');
  }
  if (problems.length > 0) {
    throw new MeridianError('config-invalid', {
      message: `The configuration is wrong:\n  - ${problems.join('\n  - ')}`,
      details: { problems },
    });
  }
  return config;
}
