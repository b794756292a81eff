import type {
  MediaKind,
  MediaSource,
  NodeId,
  Participant,
  ProducerId,
  SessionId,
  SessionStats,
} from '@meridian/protocol';
import type { RemoteTrack } from '../media/receiver.ts';
import { type PathFigures, type Quality, qualityOf } from './quality.ts';
import { pathRttMs, readReports, type StatsReport } from './reports.ts';

export interface LegFigures extends PathFigures {
  /** bit/s since the sample before. */
  readonly bitrate: number | null;
  readonly quality: Quality;
}

export interface TrackFigures {
  readonly producerId: ProducerId;
  readonly sessionId: SessionId;
  readonly kind: MediaKind;
  readonly source: MediaSource;
  readonly lossFraction: number | null;
  readonly jitterMs: number | null;
  readonly bitrate: number | null;
  readonly framesPerSecond: number | null;
  readonly framesDecoded: number | null;
  readonly width: number | null;
  readonly height: number | null;
}

export interface PersonFigures extends PathFigures {
  /** Of the relay between our node and theirs; null on the same node. Milliseconds. */
  readonly relayRttMs: number | null;
  readonly quality: Quality;
}

/** One look at everything that can be measured about the call from here. */
export interface RoomStats {
  readonly nodeId: NodeId;
  /** Round trip of the signalling, milliseconds. */
  readonly signallingRttMs: number | null;
  readonly up: LegFigures;
  readonly down: LegFigures;
  /** The worse one of both legs: how we ourselves are connected. */
  readonly quality: Quality;
  /** How others reach us: our own leg, the relay, and what arrived of their media. */
  readonly people: ReadonlyMap<SessionId, PersonFigures>;
  readonly tracks: readonly TrackFigures[];
  /** The node's side; null when it did not answer. */
  readonly node: SessionStats | null;
}

/** What there is to measure of one stay at one node. */
export interface MeasuredCall {
  readonly sessionId: SessionId;
  readonly nodeId: NodeId;
  readonly signallingRttMs: number | null;
  readonly participants: readonly Pick<Participant, 'sessionId' | 'nodeId'>[];
  readonly tracks: readonly RemoteTrack[];
  sendStats(): Promise<RTCStatsReport>;
  receiveStats(): Promise<RTCStatsReport>;
  nodeStats(): Promise<SessionStats>;
}

interface Counters {
  readonly atMs: number;
  readonly bytes: number;
  readonly packets: number;
  readonly lost: number;
}

/** Takes samples and forms rates against the sample before. */
export class StatsSampler {
  readonly #now: () => number;
  #before = new Map<string, Counters>();

  constructor(now: () => number) {
    this.#now = now;
  }

  async sample(call: MeasuredCall): Promise<RoomStats> {
    const [up, down, node] = await Promise.all([
      call.sendStats().then(readReports),
      call.receiveStats().then(readReports),
      call.nodeStats().catch(() => null),
    ]);
    const after = new Map<string, Counters>();
    const upLeg = this.#upLeg(up, node, after);
    const tracks = call.tracks.map((remote) => {
      const inbound = down.find((one) => one.type === 'inbound-rtp' && one.trackIdentifier === remote.track.id);
      return { ...remote, ...this.#inbound(remote.track.id, inbound, after) };
    });
    this.#before = after;
    const downLeg = withQuality({
      rttMs: pathRttMs(down),
      lossFraction: worst(tracks.map((track) => track.lossFraction)),
      jitterMs: jitterOf(tracks),
      bitrate: sum(tracks.map((track) => track.bitrate)),
    });
    const ownRttMs = downLeg.rttMs ?? upLeg.rttMs;
    const people = new Map<SessionId, PersonFigures>();
    for (const { sessionId, nodeId } of call.participants) {
      if (sessionId === call.sessionId) continue;
      const theirs = tracks.filter((track) => track.sessionId === sessionId);
      const relayRttMs = node?.relays.find((relay) => relay.nodeId === nodeId)?.rttMs ?? null;
      const figures = {
        rttMs: ownRttMs === null ? null : ownRttMs + (relayRttMs ?? 0),
        lossFraction: worst(theirs.map((track) => track.lossFraction)),
        jitterMs: jitterOf(theirs),
      };
      people.set(sessionId, { ...figures, relayRttMs, quality: qualityOf(figures) });
    }
    return {
      nodeId: call.nodeId,
      signallingRttMs: call.signallingRttMs,
      up: upLeg,
      down: downLeg,
      quality: worse(upLeg.quality, downLeg.quality),
      people,
      tracks: tracks.map(({ track: _track, ...figures }) => figures),
      node,
    };
  }

  #upLeg(reports: readonly StatsReport[], node: SessionStats | null, after: Map<string, Counters>): LegFigures {
    const heard = reports.filter((one) => one.type === 'remote-inbound-rtp');
    const sentBytes = sum(reports.map((one) => (one.type === 'outbound-rtp' ? (one.bytesSent ?? 0) : 0))) ?? 0;
    const { bitrate } = this.#rates('up', { bytes: sentBytes, packets: 0, lost: 0 }, after);
    return withQuality({
      rttMs: pathRttMs(reports) ?? node?.up.rttMs ?? null,
      lossFraction: worst(heard.map((one) => one.fractionLost ?? null)) ?? node?.up.lossFraction ?? null,
      jitterMs: worst(
        heard.map((one) => (one.kind === 'audio' && one.jitter !== undefined ? one.jitter * 1_000 : null)),
      ),
      bitrate,
    });
  }

  #inbound(key: string, report: StatsReport | undefined, after: Map<string, Counters>) {
    const rates =
      report === undefined
        ? { bitrate: null, lossFraction: null }
        : this.#rates(
            key,
            { bytes: report.bytesReceived ?? 0, packets: report.packetsReceived ?? 0, lost: report.packetsLost ?? 0 },
            after,
          );
    return {
      ...rates,
      jitterMs: report?.jitter === undefined ? null : report.jitter * 1_000,
      framesPerSecond: report?.framesPerSecond ?? null,
      framesDecoded: report?.framesDecoded ?? null,
      width: report?.frameWidth ?? null,
      height: report?.frameHeight ?? null,
    };
  }

  #rates(
    key: string,
    now: { bytes: number; packets: number; lost: number },
    after: Map<string, Counters>,
  ): { bitrate: number | null; lossFraction: number | null } {
    const counters = { atMs: this.#now(), ...now };
    after.set(key, counters);
    const before = this.#before.get(key);
    const seconds = before === undefined ? 0 : (counters.atMs - before.atMs) / 1_000;
    if (before === undefined || seconds <= 0 || now.bytes < before.bytes) return { bitrate: null, lossFraction: null };
    const lost = Math.max(0, now.lost - before.lost);
    const expected = Math.max(0, now.packets - before.packets) + lost;
    return {
      bitrate: ((now.bytes - before.bytes) * 8) / seconds,
      lossFraction: expected === 0 ? null : lost / expected,
    };
  }
}

const withQuality = (figures: Omit<LegFigures, 'quality'>): LegFigures => ({ ...figures, quality: qualityOf(figures) });

const known = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null);
const worst = (values: readonly (number | null)[]): number | null =>
  known(values).length === 0 ? null : Math.max(...known(values));
const sum = (values: readonly (number | null)[]): number | null =>
  known(values).length === 0 ? null : known(values).reduce((total, value) => total + value, 0);

/**
 * Of audio only: the packets of one video frame leave in a burst with one timestamp, which the formula
 * of RFC 3550 takes for jitter.
 */
const jitterOf = (tracks: readonly { readonly kind: MediaKind; readonly jitterMs: number | null }[]): number | null =>
  worst(tracks.map(({ kind, jitterMs }) => (kind === 'audio' ? jitterMs : null)));

const ORDER: readonly Quality[] = ['unknown', 'good', 'fair', 'poor'];
const worse = (a: Quality, b: Quality): Quality => (ORDER.indexOf(a) > ORDER.indexOf(b) ? a : b);
