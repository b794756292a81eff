import { Audio, type MediaHandler, PeerConnection, RtcpReceivingSession, type Track, Video } from 'node-datachannel';
import { type Fingerprint, fingerprintOf, type MediaSection, type ServerTransport, serverDescription } from './sdp.ts';

/** Tells the server how the client's end of DTLS looks: mediasoup's `transport.connect`. */
export type ConnectServer = (dtlsParameters: {
  role: 'client' | 'server';
  fingerprints: Fingerprint[];
}) => Promise<void>;

export interface SendingPeer {
  /** A whole RTP packet; encrypted here. @returns false when it was not sent. */
  send(mid: string, packet: Buffer): boolean;
  /** RTCP that comes back, such as requests for key frames. */
  onRtcp(mid: string, listener: (packet: Buffer) => void): void;
  close(): void;
}

export interface ReceivingPeer {
  /** Whole RTP packets, decrypted. */
  onRtp(mid: string, listener: (packet: Buffer) => void): void;
  requestKeyFrame(mid: string): void;
  /** Receives these too from now on. */
  add(sections: readonly MediaSection[]): Promise<void>;
  close(): void;
}

/** A small WebRTC client that sends: ICE, DTLS and SRTP are real, what it sends is made by the caller. */
export async function openSendingPeer(options: {
  transport: ServerTransport;
  sections: readonly MediaSection[];
  connect: ConnectServer;
}): Promise<SendingPeer> {
  const peer = newPeer(options.transport);
  const tracks = new Map<string, Track>();
  try {
    for (const section of options.sections) tracks.set(section.mid, releasable(peer.addTrack(sending(section))));
    const offer = localDescription(peer, 'offer');
    await options.connect({ role: 'client', fingerprints: [fingerprintOf(await offer)] });
    const { transport, sections } = options;
    peer.setRemoteDescription(
      serverDescription({ transport, sections, direction: 'recvonly', setup: 'passive' }),
      'answer',
    );
    await until(peer, () => peer.state() === 'connected');
    await Promise.all([...tracks.values()].map(opened));
    return {
      // What is sent after the end goes nowhere, as on a wire.
      send: (mid, packet) => {
        const track = trackOf(tracks, mid);
        return track.isOpen() && track.sendMessageBinary(packet);
      },
      onRtcp: (mid, listener) => trackOf(tracks, mid).onMessage(listener),
      close: () => closeAll(peer, tracks),
    };
  } catch (error) {
    closeAll(peer, tracks);
    throw error;
  }
}

/** A small WebRTC client that receives. The sections' SSRCs are those the server sends with. */
export async function openReceivingPeer(options: {
  transport: ServerTransport;
  sections: readonly MediaSection[];
  connect: ConnectServer;
}): Promise<ReceivingPeer> {
  const peer = newPeer(options.transport);
  const tracks = new Map<string, Track>();
  // Kept, since the binding does not: they answer with receiver reports.
  const handlers: MediaHandler[] = [];
  try {
    peer.onTrack((track) => {
      const session = new RtcpReceivingSession();
      handlers.push(session);
      track.setMediaHandler(session);
      tracks.set(track.mid(), releasable(track));
    });
    const { transport } = options;
    const sections = [...options.sections];
    const negotiate = (): Promise<string> => {
      peer.setRemoteDescription(
        serverDescription({ transport, sections, direction: 'sendonly', setup: 'actpass' }),
        'offer',
      );
      return localDescription(peer, 'answer');
    };
    const answer = negotiate();
    await options.connect({ role: 'client', fingerprints: [fingerprintOf(await answer)] });
    await until(peer, () => peer.state() === 'connected');
    return {
      onRtp: (mid, listener) =>
        trackOf(tracks, mid).onMessage((packet) => (isRtcp(packet) ? undefined : listener(packet))),
      requestKeyFrame: (mid) => void trackOf(tracks, mid).requestKeyframe(),
      add: async (more) => {
        sections.push(...more);
        await negotiate();
      },
      close: () => {
        closeAll(peer, tracks);
        handlers.length = 0;
      },
    };
  } catch (error) {
    closeAll(peer, tracks);
    throw error;
  }
}

let peers = 0;

/** For a server on this machine's loopback address it stays on that one too: no other interface is tried. */
function newPeer({ iceCandidates }: ServerTransport): PeerConnection {
  const loopback = iceCandidates.every(({ address }) => address.startsWith('127.'));
  const peer = new PeerConnection(`peer-${++peers}`, {
    iceServers: [],
    ...(loopback ? { bindAddress: '127.0.0.1' } : {}),
    disableAutoNegotiation: true,
    forceMediaTransport: true,
  });
  // See `releasable`.
  peer.onStateChange(() => {});
  return peer;
}

/**
 * The binding gives every track and every connection a listener for its end and lets go of it only when that listener was
 * replaced: until then it is held, and keeps the process from ending.
 */
function releasable(track: Track): Track {
  track.onClosed(() => {});
  return track;
}

/** Tracks are not closed with their connection: their other listeners would stay. */
function closeAll(peer: PeerConnection, tracks: ReadonlyMap<string, Track>): void {
  for (const track of tracks.values()) track.close();
  peer.close();
}

function sending({ mid, kind, codec, payloadType, ssrc }: MediaSection): Audio | Video {
  const [name = codec] = codec.split('/');
  const media = kind === 'audio' ? new Audio(mid, 'SendOnly') : new Video(mid, 'SendOnly');
  if ('addAudioCodec' in media) media.addAudioCodec(payloadType, name);
  else media.addVideoCodec(payloadType, name);
  media.addSSRC(ssrc, 'peer');
  return media;
}

function localDescription(peer: PeerConnection, type: 'offer' | 'answer'): Promise<string> {
  return new Promise((resolve) => {
    peer.onLocalDescription((sdp) => resolve(sdp));
    peer.setLocalDescription(type);
  });
}

/** The library's threads go on meanwhile: listen first, look then, or the moment may fall between the two. */
const opened = (track: Track): Promise<void> =>
  new Promise((resolve, reject) => {
    track.onOpen(resolve);
    track.onError((error) => reject(new Error(error)));
    track.onClosed(() => reject(new Error('the track closed before it was open')));
    if (track.isOpen()) resolve();
  });

/** The same care as above. A connection that fails opens no track: whoever waits is told. */
function until(peer: PeerConnection, done: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (state: string) => {
      if (done()) resolve();
      else if (state === 'failed' || state === 'closed') reject(new Error(`the connection is ${state}`));
    };
    peer.onStateChange(look);
    look(peer.state());
  });
}

function trackOf(tracks: ReadonlyMap<string, Track>, mid: string): Track {
  const track = tracks.get(mid);
  if (track === undefined) throw new Error(`no media section ${mid}`);
  return track;
}

/** RFC 5761, 4. */
const isRtcp = (packet: Buffer): boolean => {
  const type = packet.readUInt8(1) & 0x7f;
  return type >= 64 && type < 96;
};
