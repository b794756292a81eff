import type { BusMethod, BusNotice, RequestMethod } from '@meridian/protocol';
import { opusParameters } from '../light/rtp-parameters.ts';
import type { Json } from './mutate.ts';
import type { Random } from './random.ts';

/** What an attacker knows of the call it is in. */
export interface Knowledge {
  readonly sendTransportId: string;
  readonly recvTransportId: string;
  /** Of others; its own are published and closed in the course. */
  readonly producerIds: readonly string[];
  readonly consumerIds: readonly string[];
  readonly sessionIds: readonly string[];
  readonly roomToken: string;
}

const dtls: Json = {
  role: 'client',
  fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('AB').join(':') }],
};

/** A request as a well-behaved client would send it, for each method there is. */
export const REQUEST_SAMPLES: { readonly [M in RequestMethod]: (known: Knowledge, random: Random) => Json } = {
  join: ({ roomToken }) => ({ roomToken, rtpCapabilities: { codecs: [], headerExtensions: [] }, autoSubscribe: true }),
  leave: () => ({}),
  'connect-transport': (known) => ({ transportId: known.sendTransportId, dtlsParameters: dtls }),
  'restart-ice': (known, random) => ({ transportId: random.pick([known.sendTransportId, known.recvTransportId]) }),
  publish: (known, random) => ({
    transportId: known.sendTransportId,
    kind: random.pick(['audio', 'video']),
    source: random.pick(['microphone', 'camera', 'screen', 'screen-audio']),
    rtpParameters: asJson(opusParameters(1 + random.below(0x7fff_ffff), 'fuzz')),
    paused: random.chance(0.5),
  }),
  unpublish: (known, random) => ({ producerId: random.pick(known.producerIds) }),
  'pause-producer': (known, random) => ({ producerId: random.pick(known.producerIds) }),
  'resume-producer': (known, random) => ({ producerId: random.pick(known.producerIds) }),
  subscribe: (known, random) => ({ producerId: random.pick(known.producerIds) }),
  unsubscribe: (known, random) => ({ consumerId: random.pick(known.consumerIds) }),
  'pause-consumer': (known, random) => ({ consumerId: random.pick(known.consumerIds) }),
  'resume-consumer': (known, random) => ({ consumerId: random.pick(known.consumerIds) }),
  'set-consumer-layers': (known, random) => ({
    consumerId: random.pick(known.consumerIds),
    spatialLayer: random.below(8),
    temporalLayer: random.below(8),
  }),
  'set-consumer-priority': (known, random) => ({
    consumerId: random.pick(known.consumerIds),
    priority: 1 + random.below(255),
  }),
  'request-keyframe': (known, random) => ({ consumerId: random.pick(known.consumerIds) }),
  'publish-data': (known) => ({
    transportId: known.sendTransportId,
    label: 'fuzz',
    protocol: '',
    sctpStreamParameters: { streamId: 1, ordered: true },
  }),
  'unpublish-data': (known, random) => ({ dataProducerId: random.pick(known.producerIds) }),
  'subscribe-data': (known, random) => ({ dataProducerId: random.pick(known.producerIds) }),
  'unsubscribe-data': (known, random) => ({ dataConsumerId: random.pick(known.consumerIds) }),
  'send-chat': () => ({ text: 'hello' }),
  'get-stats': () => ({}),
  kick: (known, random) => ({ sessionId: random.pick(known.sessionIds) }),
  'end-room': () => ({}),
};

/** Of links, rooms and sessions that there are not: between nodes a valid message is believed. */
const nobody = {
  roomId: 'no-such-room',
  linkId: 'no-such-link',
  sessionId: 'no-such-session',
  producerId: 'no-such-producer',
};
const ids: Json = { producerIds: [nobody.producerId], dataProducerIds: ['no-such-data-producer'] };
const endpoint: Json = {
  ip: '127.0.0.1',
  port: 9,
  srtpParameters: { cryptoSuite: 'AEAD_AES_256_GCM', keyBase64: Buffer.alloc(44).toString('base64') },
};

export const BUS_SAMPLES: { readonly [M in BusMethod]: Json } = {
  'relay.open': { roomId: nobody.roomId, linkId: nobody.linkId, endpoint, ...(ids as object) },
  'relay.pull': { roomId: nobody.roomId, linkId: nobody.linkId, ...(ids as object) },
  'relay.unpull': { linkId: nobody.linkId, ...(ids as object) },
  'relay.close': { linkId: nobody.linkId, reason: 'unwanted' },
  'relay.check': { linkIds: [nobody.linkId] },
  'session.end': { roomId: nobody.roomId, sessionId: nobody.sessionId, epoch: 1, reason: 'kicked' },
  'relay.list': {},
  'node.drain': { action: 'status' },
  'user.revoke': { userId: 'no-such-user', ver: 1 },
  ping: {},
};

export const NOTICE_SAMPLES: { readonly [N in BusNotice]: Json } = {
  'relay.producer-paused': { linkId: nobody.linkId, producerId: nobody.producerId },
  'relay.producer-resumed': { linkId: nobody.linkId, producerId: nobody.producerId },
  'relay.producer-closed': { linkId: nobody.linkId, producerId: nobody.producerId },
  'relay.data-producer-closed': { linkId: nobody.linkId, dataProducerId: 'no-such-data-producer' },
  'chat.line': {
    roomId: nobody.roomId,
    message: {
      id: '001795256844568-76259955',
      roomId: nobody.roomId,
      sessionId: nobody.sessionId,
      userId: 'no-such-user',
      name: 'Nobody',
      text: 'hello',
      sentAtMs: 1,
    },
  },
};

/** Events of a room that there is not. */
export const EVENT_SAMPLES: readonly Json[] = [
  { type: 'participant-left', sessionId: nobody.sessionId, epoch: 1, reason: 'left' },
  { type: 'producer-closed', producerId: nobody.producerId, sessionId: nobody.sessionId },
  { type: 'producer-updated', producerId: nobody.producerId, paused: true },
  { type: 'room-ended' },
].map((event) => ({ t: 'evt', roomId: nobody.roomId, revision: 1_795_256_844_568, event }));

/** A body for each address of the session service that takes one; addresses without one get an empty body. */
export const HTTP_SAMPLES: readonly { readonly method: string; readonly path: string; readonly body?: Json }[] = [
  { method: 'POST', path: '/v1/guests', body: { name: 'Fuzz' } },
  { method: 'POST', path: '/v1/users', body: { email: 'fuzz@example.org', password: 'a long password', name: 'Fuzz' } },
  { method: 'POST', path: '/v1/login', body: { email: 'fuzz@example.org', password: 'a long password' } },
  { method: 'GET', path: '/v1/me' },
  { method: 'PATCH', path: '/v1/me', body: { name: 'Fuzz' } },
  { method: 'POST', path: '/v1/me/password', body: { current: 'a long password', next: 'another password' } },
  { method: 'POST', path: '/v1/rooms', body: { slug: 'fuzz-room', title: 'Fuzz', visibility: 'public', capacity: 5 } },
  { method: 'GET', path: '/v1/rooms' },
  { method: 'GET', path: '/v1/rooms/:slug' },
  { method: 'PATCH', path: '/v1/rooms/:slug', body: { title: 'Fuzz', duplicates: 'allow' } },
  { method: 'DELETE', path: '/v1/rooms/:slug' },
  { method: 'POST', path: '/v1/rooms/:slug/invitations', body: { expiresInS: 60 } },
  { method: 'DELETE', path: '/v1/rooms/:slug/invitations/no-such-invitation' },
  { method: 'GET', path: '/v1/rooms/:slug/members' },
  { method: 'POST', path: '/v1/rooms/:slug/members', body: { invitation: 'a.b.c' } },
  { method: 'DELETE', path: '/v1/rooms/:slug/members/no-such-user' },
  { method: 'GET', path: '/v1/rooms/:slug/messages?before=0&limit=10' },
  { method: 'GET', path: '/v1/nodes?lat=1&lon=1' },
  {
    method: 'POST',
    path: '/v1/sessions',
    body: {
      rtts: [{ nodeId: 'ams-1', rttMs: 5 }],
      coordinates: { latitude: 1, longitude: 2 },
      room: 'x',
      avoid: ['sin-1'],
    },
  },
  { method: 'POST', path: '/v1/sessions/renew', body: {} },
  { method: 'POST', path: '/v1/rooms/:slug/join', body: {} },
];

function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
