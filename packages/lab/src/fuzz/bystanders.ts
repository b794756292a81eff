import { eventually } from '@meridian/harness';
import { type Heard, heardAs } from '../light/light-connection.ts';
import { LightPeer, type LightPeerOptions } from '../light/light-peer.ts';
import type { Tally } from './tally.ts';

/** Media that stands still for so long was disturbed, milliseconds. */
const STILL_MS = 4_000;
const LOOK_MS = 500;

export type Bystander = Pick<
  LightPeer,
  'sessionId' | 'publish' | 'consumers' | 'receive' | 'received' | 'receivedPackets' | 'connected' | 'lost' | 'leave'
>;

/** People in calls of their own while others send garbage: none of them may notice. */
export class Bystanders {
  readonly #peers: readonly Bystander[];
  readonly #tally: Tally;
  readonly #seen = new Map<string, { count: number; atMs: number }>();
  readonly #timer: NodeJS.Timeout;
  readonly #over: AbortController;

  private constructor(peers: readonly Bystander[], tally: Tally, over: AbortController) {
    this.#peers = peers;
    this.#tally = tally;
    this.#over = over;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Two in each room, on different nodes; they send and receive audio and video before this resolves. */
  static async start(options: {
    url: string;
    rooms: readonly string[];
    regions: readonly [string, string];
    tally: Tally;
    /** How one of them gets into a room; by default as a participant with real media. */
    join?: (options: LightPeerOptions) => Promise<Bystander>;
  }): Promise<Bystanders> {
    const { url, rooms, regions, tally, join = LightPeer.join } = options;
    const peers: Bystander[] = [];
    const known = new Set<string>();
    /** Consumers for what the bystanders send, once all is set up. */
    const settled = new Set<string>();
    const over = new AbortController();
    for (const room of rooms) {
      for (const region of regions) {
        const name = `Bystander ${peers.length + 1}`;
        const onHeard = (heard: Heard) => {
          if (over.signal.aborted) return;
          const left = heardAs('participant-left', heard)?.sessionId;
          if (left !== undefined && known.has(left)) tally.violation(`${name} was told that ${left} has left`);
          const lost = heardAs('consumer-closed', heard)?.consumerId;
          if (lost !== undefined && settled.has(lost)) tally.violation(`${name} lost a stream of another bystander`);
          if (heardAs('session-ended', heard) !== undefined) tally.violation(`${name} was put out of the room`);
        };
        const peer = await join({ url, room, region, name, onHeard });
        await peer.publish(['audio', 'video']);
        peers.push(peer);
        known.add(peer.sessionId);
      }
    }
    for (const peer of peers) {
      await eventually('a bystander has what the other one sends', () => peer.consumers.size >= 2);
      await peer.receive();
    }
    await eventually('media flows between the bystanders', () => peers.every(({ received }) => received.size >= 2));
    for (const { consumers } of peers) for (const consumerId of consumers.keys()) settled.add(consumerId);
    return new Bystanders(peers, tally, over);
  }

  /** Packets that came to each of them. */
  get packets(): number[] {
    return this.#peers.map((peer) => peer.receivedPackets);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    // Who leaves a moment later hears that the others have left.
    this.#over.abort();
    await Promise.all(this.#peers.map((peer) => peer.leave()));
  }

  #look(): void {
    const now = performance.now();
    for (const [index, peer] of this.#peers.entries()) {
      if (!peer.connected)
        this.#tally.violation(`bystander ${index + 1} has lost its connection: ${peer.lost ?? 'closed'}`);
      for (const [producerId, count] of peer.received) {
        const key = `${index} ${producerId}`;
        const seen = this.#seen.get(key);
        if (seen === undefined || seen.count !== count) this.#seen.set(key, { count, atMs: now });
        else if (now - seen.atMs > STILL_MS) {
          this.#tally.violation(`bystander ${index + 1} received nothing for ${Math.round(now - seen.atMs)} ms`);
          this.#seen.set(key, { count, atMs: now });
        }
      }
    }
  }
}
