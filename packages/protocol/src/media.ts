import { z } from 'zod';

/**
 * The media parameters that cross the wire, in mediasoup's vocabulary. The outer shape and the sizes
 * are checked here; codec and SRTP details are checked again by mediasoup's own ORTC code, which
 * refuses what it cannot use.
 */
export const MediaKind = z.enum(['audio', 'video']);
export type MediaKind = z.infer<typeof MediaKind>;

/** What a producer shows. One session publishes at most one producer per source. */
export const MediaSource = z.enum(['microphone', 'camera', 'screen', 'screen-audio']);
export type MediaSource = z.infer<typeof MediaSource>;

const codecParameters = z.record(z.string().max(64), z.unknown());
const RtcpFeedback = z.object({ type: z.string().max(32), parameter: z.string().max(32).optional() });

export const RtpCodecCapability = z.object({
  kind: MediaKind,
  mimeType: z.string().max(64),
  preferredPayloadType: z.int().min(0).max(127),
  clockRate: z.int().positive(),
  channels: z.int().positive().optional(),
  parameters: codecParameters.optional(),
  rtcpFeedback: z.array(RtcpFeedback).max(16).optional(),
});

export const RtpHeaderExtension = z.object({
  kind: MediaKind,
  uri: z.string().max(128),
  preferredId: z.int().min(1).max(255),
  preferredEncrypt: z.boolean().optional(),
  direction: z.enum(['sendrecv', 'sendonly', 'recvonly', 'inactive']).optional(),
});

export const RtpCapabilities = z.object({
  codecs: z.array(RtpCodecCapability).max(64).optional(),
  headerExtensions: z.array(RtpHeaderExtension).max(64).optional(),
});
export type RtpCapabilities = z.infer<typeof RtpCapabilities>;

export const RtpParameters = z.object({
  mid: z.string().max(64).optional(),
  codecs: z
    .array(
      z.object({
        mimeType: z.string().max(64),
        payloadType: z.int().min(0).max(127),
        clockRate: z.int().positive(),
        channels: z.int().positive().optional(),
        parameters: codecParameters.optional(),
        rtcpFeedback: z.array(RtcpFeedback).max(16).optional(),
      }),
    )
    .max(32),
  headerExtensions: z
    .array(
      z.object({
        uri: z.string().max(128),
        id: z.int().min(1).max(255),
        encrypt: z.boolean().optional(),
        parameters: codecParameters.optional(),
      }),
    )
    .max(32)
    .optional(),
  encodings: z
    .array(
      z.object({
        ssrc: z.int().min(0).max(0xffffffff).optional(),
        rid: z.string().max(32).optional(),
        active: z.boolean().optional(),
        codecPayloadType: z.int().min(0).max(127).optional(),
        rtx: z.object({ ssrc: z.int().min(0).max(0xffffffff) }).optional(),
        dtx: z.boolean().optional(),
        scalabilityMode: z.string().max(16).optional(),
        scaleResolutionDownBy: z.number().positive().optional(),
        maxBitrate: z.number().nonnegative().optional(),
        maxFramerate: z.number().nonnegative().optional(),
      }),
    )
    .max(8)
    .optional(),
  rtcp: z
    .object({
      cname: z.string().max(256).optional(),
      reducedSize: z.boolean().optional(),
      mux: z.boolean().optional(),
    })
    .optional(),
  msid: z.string().max(256).optional(),
});
export type RtpParameters = z.infer<typeof RtpParameters>;

export const DtlsParameters = z.object({
  role: z.enum(['auto', 'client', 'server']).optional(),
  fingerprints: z
    .array(z.object({ algorithm: z.string().max(16), value: z.string().max(256) }))
    .min(1)
    .max(8),
});
export type DtlsParameters = z.infer<typeof DtlsParameters>;

export const IceParameters = z.object({
  usernameFragment: z.string().max(256),
  password: z.string().max(256),
  iceLite: z.boolean().optional(),
});
export type IceParameters = z.infer<typeof IceParameters>;

export const IceCandidate = z.object({
  foundation: z.string(),
  priority: z.number(),
  ip: z.string().optional(),
  address: z.string(),
  protocol: z.enum(['udp', 'tcp']),
  port: z.int(),
  type: z.enum(['host', 'srflx', 'prflx', 'relay']),
  tcpType: z.enum(['active', 'passive', 'so']).optional(),
});
export type IceCandidate = z.infer<typeof IceCandidate>;

/** SCTP parameters as mediasoup and mediasoup-client exchange them. */
export const SctpParameters = z.looseObject({});
export type SctpParameters = z.infer<typeof SctpParameters>;

export const SctpStreamParameters = z.object({
  streamId: z.int().min(0).max(65_535).optional(),
  ordered: z.boolean().optional(),
  maxPacketLifeTime: z.int().positive().optional(),
  maxRetransmits: z.int().nonnegative().optional(),
});
export type SctpStreamParameters = z.infer<typeof SctpStreamParameters>;

/** SRTP keys of a pipe transport. Travels only on the node bus. */
export const SrtpParameters = z.object({
  cryptoSuite: z.enum(['AEAD_AES_256_GCM', 'AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32']),
  keyBase64: z.string().min(1).max(256),
});
export type SrtpParameters = z.infer<typeof SrtpParameters>;

/** What a client needs to make its half of a WebRTC transport. */
export const TransportOptions = z.object({
  id: z.string(),
  iceParameters: IceParameters,
  iceCandidates: z.array(IceCandidate),
  dtlsParameters: DtlsParameters,
  sctpParameters: SctpParameters.optional(),
});
export type TransportOptions = z.infer<typeof TransportOptions>;

/** An `RTCIceServer` as `RTCPeerConnection` takes it. */
export const IceServer = z.object({
  urls: z.array(z.string()),
  username: z.string().optional(),
  credential: z.string().optional(),
});
export type IceServer = z.infer<typeof IceServer>;

export const ConsumerType = z.enum(['simple', 'simulcast', 'svc', 'pipe']);
export type ConsumerType = z.infer<typeof ConsumerType>;
