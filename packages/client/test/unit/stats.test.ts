import { describe, expect, it } from 'vitest';
import { type MeasuredCall, StatsSampler } from '../../src/stats/sampler.ts';
import { participant, producer } from '../support/builders.ts';
import { fakeTrack } from '../support/tracks.ts';

const report = (...entries: Record<string, unknown>[]): RTCStatsReport =>
  new Map(entries.map((entry) => [String(entry.id), entry]));

const pair = (seconds: number) => ({
  id: 'pair',
  type: 'candidate-pair',
  nominated: true,
  state: 'succeeded',
  currentRoundTripTime: seconds,
});

const leg = { rttMs: null, lossFraction: null, jitterMs: null, bitrate: null };

const other = participant('s-2', { nodeId: 'sin-1', region: 'sin' });

const callWith = (change: Partial<MeasuredCall>): MeasuredCall => ({
  sessionId: participant('s-1').sessionId,
  nodeId: participant('s-1').nodeId,
  signallingRttMs: 9,
  participants: [participant('s-1'), other],
  tracks: [],
  sendStats: async () => report(pair(0.02)),
  receiveStats: async () => report(pair(0.03)),
  nodeStats: async () => ({
    up: leg,
    down: leg,
    availableOutgoingBitrate: null,
    relays: [{ nodeId: other.nodeId, rttMs: 180, lossFraction: 0 }],
    consumers: [],
  }),
  ...change,
});

const tracksOf = (...kinds: ('audio' | 'video')[]): MeasuredCall['tracks'] =>
  kinds.map((kind) => {
    const source = kind === 'audio' ? 'microphone' : 'camera';
    const { producerId, sessionId } = producer(`p-${kind}`, other.sessionId);
    return { producerId, sessionId, kind, source, track: fakeTrack(kind) };
  });

const inbound = (trackIdentifier: string | undefined, more: Record<string, unknown>) => ({
  id: `in-${trackIdentifier}`,
  type: 'inbound-rtp',
  trackIdentifier,
  ...more,
});

describe('the figures of a call', () => {
  it('form loss and bit rate against the sample before', async () => {
    let nowMs = 0;
    const sampler = new StatsSampler(() => nowMs);
    const tracks = tracksOf('audio');
    const id = tracks[0]?.track.id;
    const at = (bytesReceived: number, packetsReceived: number, packetsLost: number) =>
      callWith({
        tracks,
        receiveStats: async () => report(pair(0.03), inbound(id, { bytesReceived, packetsReceived, packetsLost })),
      });
    const first = await sampler.sample(at(10_000, 100, 50));
    expect(first.tracks).toMatchObject([{ bitrate: null, lossFraction: null }]);
    nowMs = 2_000;
    const second = await sampler.sample(at(20_000, 190, 60));
    expect(second.tracks).toMatchObject([{ bitrate: 40_000, lossFraction: 0.1 }]);
    expect(second.people.get(other.sessionId)?.quality).toBe('poor');
  });

  it('add the relay to the round trip of people on other nodes', async () => {
    const stats = await new StatsSampler(() => 0).sample(callWith({}));
    expect([...stats.people.values()]).toMatchObject([{ rttMs: 210, relayRttMs: 180, quality: 'fair' }]);
    expect(stats.down.rttMs).toBe(30);
  });

  it('go by the jitter of audio: bursts of video packets are none', async () => {
    const tracks = tracksOf('audio', 'video');
    const stats = await new StatsSampler(() => 0).sample(
      callWith({
        tracks,
        receiveStats: async () =>
          report(
            pair(0.03),
            inbound(tracks[0]?.track.id, { jitter: 0.003 }),
            inbound(tracks[1]?.track.id, { jitter: 0.08 }),
          ),
      }),
    );
    expect(stats.down).toMatchObject({ jitterMs: 3, quality: 'good' });
  });

  it('stand without the node when it does not answer', async () => {
    const stats = await new StatsSampler(() => 0).sample(
      callWith({ nodeStats: () => Promise.reject(new Error('busy')) }),
    );
    expect(stats.node).toBeNull();
    expect(stats.up.rttMs).toBe(20);
    expect([...stats.people.values()]).toMatchObject([{ rttMs: 30, relayRttMs: null }]);
  });

  it('start over after a reconnect: smaller counters are not a negative rate', async () => {
    let nowMs = 0;
    const sampler = new StatsSampler(() => nowMs);
    const tracks = tracksOf('audio');
    const id = tracks[0]?.track.id;
    const at = (bytesReceived: number) =>
      callWith({ tracks, receiveStats: async () => report(inbound(id, { bytesReceived })) });
    await sampler.sample(at(50_000));
    nowMs = 1_000;
    expect((await sampler.sample(at(10))).tracks).toMatchObject([{ bitrate: null }]);
  });
});
