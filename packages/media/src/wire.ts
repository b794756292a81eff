import type {
  ConsumerType,
  DtlsParameters,
  IceParameters,
  RelayEndpoint,
  RtpCapabilities,
  RtpParameters,
  SctpStreamParameters,
  TransportOptions,
} from '@meridian/protocol';
import type { types } from 'mediasoup';

/**
 * Between the protocol's parameters and mediasoup's. They are the same shapes; mediasoup's types are
 * narrower (unions of known URIs) and know no explicit `undefined`. mediasoup checks what it is given
 * and clones it, so narrowing here is safe: what it does not know it refuses with a TypeError.
 */
export const toRtpParameters = (parameters: RtpParameters): types.RtpParameters => parameters as types.RtpParameters;

export const toRtpCapabilities = (capabilities: RtpCapabilities): types.RtpCapabilities =>
  structuredClone(capabilities) as types.RtpCapabilities;

export const toDtlsParameters = (parameters: DtlsParameters): types.DtlsParameters => ({
  ...(parameters.role === undefined ? {} : { role: parameters.role }),
  fingerprints: parameters.fingerprints as types.DtlsFingerprint[],
});

export const toSctpStreamParameters = (parameters: SctpStreamParameters): types.SctpStreamParameters =>
  parameters as types.SctpStreamParameters;

export const fromRtpParameters = (parameters: types.RtpParameters): RtpParameters => parameters;

export const fromRtpCapabilities = (capabilities: types.RtpCapabilities): RtpCapabilities => capabilities;

export const fromIceParameters = (parameters: types.IceParameters): IceParameters => parameters;

export const fromConsumerType = (type: types.ConsumerType): ConsumerType => type;

export const fromSctpStreamParameters = (parameters: types.SctpStreamParameters | undefined): SctpStreamParameters => ({
  ...parameters,
});

export const transportOptions = (transport: types.WebRtcTransport): TransportOptions => ({
  id: transport.id,
  iceParameters: transport.iceParameters,
  iceCandidates: transport.iceCandidates,
  dtlsParameters: transport.dtlsParameters,
  ...(transport.sctpParameters === undefined ? {} : { sctpParameters: { ...transport.sctpParameters } }),
});

/** @throws Error when the pipe was made without SRTP. */
export const relayEndpoint = (pipe: types.PipeTransport): RelayEndpoint => {
  const { srtpParameters, sctpParameters, tuple } = pipe;
  if (srtpParameters === undefined) throw new Error('a relay link without SRTP is not allowed');
  return {
    ip: tuple.localAddress,
    port: tuple.localPort,
    srtpParameters,
    ...(sctpParameters === undefined ? {} : { sctpParameters: { ...sctpParameters } }),
  };
};
