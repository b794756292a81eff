import type {
  RtpCapabilities as WireRtpCapabilities,
  RtpParameters as WireRtpParameters,
  SctpStreamParameters as WireSctpStreamParameters,
  TransportOptions as WireTransportOptions,
} from '@meridian/protocol';
import type { types } from 'mediasoup-client';
import { z } from 'zod';
import { ClientError } from '../errors.ts';

/**
 * Between the wire's types (checked by protocol) and mediasoup-client's. They differ in how strictly
 * absent fields and extension URIs are typed; mediasoup-client's own ORTC code checks the contents
 * again and throws on what it cannot use.
 */
export const toDeviceCapabilities = (wire: WireRtpCapabilities) => wire as types.RtpCapabilities;
export const toDeviceRtpParameters = (wire: WireRtpParameters) => wire as types.RtpParameters;
export const toDeviceSctpStream = (wire: WireSctpStreamParameters) => wire as types.SctpStreamParameters;

const Sctp = z.looseObject({
  port: z.int(),
  maxSendMessageSize: z.int().optional(),
  maxReceiveMessageSize: z.int().optional(),
  /** Of servers older than mediasoup 3.20; mediasoup-client falls back to it by itself. */
  maxMessageSize: z.int().optional(),
});

export function toDeviceTransport(wire: WireTransportOptions, iceServers: RTCIceServer[]): types.TransportOptions {
  const sctp = wire.sctpParameters === undefined ? undefined : Sctp.safeParse(wire.sctpParameters);
  if (sctp?.success === false) throw new ClientError('bad-reply', { cause: sctp.error });
  return {
    id: wire.id,
    iceParameters: wire.iceParameters as types.IceParameters,
    iceCandidates: wire.iceCandidates as types.IceCandidate[],
    dtlsParameters: wire.dtlsParameters as types.DtlsParameters,
    ...(sctp === undefined ? {} : { sctpParameters: sctp.data as types.SctpParameters }),
    iceServers,
  };
}
