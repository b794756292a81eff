/** What a client has to know of a server's ICE-lite transport; mediasoup's transport options have this shape. */
export interface ServerTransport {
  readonly iceParameters: { readonly usernameFragment: string; readonly password: string };
  readonly iceCandidates: readonly {
    readonly foundation: string;
    readonly priority: number;
    readonly address: string;
    readonly protocol: 'udp' | 'tcp';
    readonly port: number;
  }[];
  readonly dtlsParameters: { readonly fingerprints: readonly Fingerprint[] };
}

export interface Fingerprint {
  readonly algorithm: string;
  readonly value: string;
}

/** One RTP stream of a media section. */
export interface MediaSection {
  readonly mid: string;
  readonly kind: 'audio' | 'video';
  /** Such as `opus/48000/2`. */
  readonly codec: string;
  readonly payloadType: number;
  readonly ssrc: number;
}

/**
 * The server's side of a session description (RFC 8866, RFC 8829), as far as a small peer needs it.
 * `setup` is the DTLS role (RFC 8842): an offer says actpass, an answer to a client that connects passive.
 */
export function serverDescription(options: {
  transport: ServerTransport;
  sections: readonly MediaSection[];
  direction: 'sendonly' | 'recvonly';
  setup: 'actpass' | 'passive';
}): string {
  const { transport, sections, direction, setup } = options;
  const { iceParameters, iceCandidates, dtlsParameters } = transport;
  const fingerprint = dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
  if (fingerprint === undefined) throw new Error('the server has no SHA-256 fingerprint');
  const shared = [
    'c=IN IP4 0.0.0.0',
    'a=rtcp-mux',
    `a=${direction}`,
    `a=setup:${setup}`,
    `a=ice-ufrag:${iceParameters.usernameFragment}`,
    `a=ice-pwd:${iceParameters.password}`,
    `a=fingerprint:sha-256 ${fingerprint.value}`,
    ...iceCandidates
      .filter(({ protocol }) => protocol === 'udp')
      .map((one) => `a=candidate:${one.foundation} 1 udp ${one.priority} ${one.address} ${one.port} typ host`),
    'a=end-of-candidates',
  ];
  const media = sections.flatMap(({ mid, kind, codec, payloadType, ssrc }) => [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${payloadType}`,
    `a=mid:${mid}`,
    `a=rtpmap:${payloadType} ${codec}`,
    ...(direction === 'sendonly' ? [`a=ssrc:${ssrc} cname:server`] : []),
    ...shared,
  ]);
  const lines = [
    'v=0',
    'o=- 0 0 IN IP4 0.0.0.0',
    's=-',
    't=0 0',
    'a=ice-lite',
    `a=group:BUNDLE ${sections.map(({ mid }) => mid).join(' ')}`,
    ...media,
  ];
  return `${lines.join('\r\n')}\r\n`;
}

/** @throws Error when the description has none. */
export function fingerprintOf(sdp: string): Fingerprint {
  const [, algorithm, value] = /^a=fingerprint:(\S+) (\S+)\s*$/m.exec(sdp) ?? [];
  if (algorithm === undefined || value === undefined) throw new Error('no fingerprint in the description');
  return { algorithm: algorithm.toLowerCase(), value };
}
