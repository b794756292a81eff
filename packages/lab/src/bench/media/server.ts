import type { MediaSection, ServerTransport } from '@meridian/harness/webrtc';
import type {
  DtlsParameters,
  ProducerId,
  RelayEndpoint,
  RelayedProducer,
  RtpCapabilities,
  RtpParameters,
} from '@meridian/protocol';

/** One client's transport on the server under test. */
export interface OpenedTransport {
  readonly key: string;
  readonly transport: ServerTransport;
}

export interface OpenedViewer extends OpenedTransport {
  /** What it is going to receive, in media sections of an offer. */
  readonly sections: MediaSection[];
}

/** What a forwarding server is asked by a benchmark: one room, publishers and viewers of everything. */
export interface ForwardingServer {
  openPublisher(): Promise<OpenedTransport>;
  connect(key: string, dtlsParameters: DtlsParameters): Promise<void>;
  publish(key: string, kind: 'audio' | 'video', rtpParameters: RtpParameters): Promise<ProducerId>;
  /** Consumes all that is published, paused. */
  openViewer(): Promise<OpenedViewer>;
  resume(key: string): Promise<void>;
  /** RTP packets sent to viewers since the start. */
  forwarded(): Promise<number>;
  workerPid(): Promise<number>;
  close(): Promise<void>;
}

/** A server that is also a node: its producers can be relayed to another one. */
export interface RelayingServer extends ForwardingServer {
  openRelayEnd(role: 'puller' | 'origin'): Promise<RelayEndpoint>;
  connectRelay(remote: RelayEndpoint): Promise<void>;
  offer(producerId: ProducerId): Promise<RelayedProducer>;
  accept(relayed: RelayedProducer): Promise<void>;
}

/**
 * Without transport-cc and REMB: the benchmarks' clients send no feedback for them, and a server that
 * probes for bandwidth in vain would forward packets nobody sent.
 */
export function withoutBandwidthEstimation(capabilities: RtpCapabilities): RtpCapabilities {
  return {
    codecs: capabilities.codecs?.map((codec) => ({
      ...codec,
      rtcpFeedback: codec.rtcpFeedback?.filter(({ type }) => type !== 'transport-cc' && type !== 'goog-remb'),
    })),
    headerExtensions: capabilities.headerExtensions?.filter(({ uri }) => !/transport-wide-cc|abs-send-time/.test(uri)),
  };
}

/** The media section that receives a consumer. */
export function sectionOf(kind: 'audio' | 'video', { mid, codecs, encodings }: RtpParameters): MediaSection {
  const [codec] = codecs;
  const ssrc = encodings?.[0]?.ssrc;
  if (codec === undefined || ssrc === undefined || mid === undefined) throw new Error('incomplete RTP parameters');
  const [, name = ''] = codec.mimeType.split('/');
  const rate = codec.channels === undefined ? `${codec.clockRate}` : `${codec.clockRate}/${codec.channels}`;
  return { mid, kind, codec: `${name}/${rate}`, payloadType: codec.payloadType, ssrc };
}
