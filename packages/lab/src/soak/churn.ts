import { MeridianError } from '@meridian/protocol';
import { Random } from '../fuzz/random.ts';
import { LightPeer } from '../light/light-peer.ts';

export interface ChurnOptions {
  readonly url: string;
  readonly rooms: readonly string[];
  readonly regions: readonly string[];
  /** People who are there on the average. */
  readonly people: number;
  readonly seed: number;
}

const PAUSE_MS = 250;

/** People who come and go, and what they do meanwhile; the same number of them all the time. */
export class Churn {
  readonly #options: ChurnOptions;
  readonly #random: Random;
  readonly #peers: LightPeer[] = [];
  readonly #counts = new Map<string, number>();
  #running: Promise<void> | undefined;
  #stopped = false;
  #names = 0;

  constructor(options: ChurnOptions) {
    this.#options = options;
    this.#random = new Random(options.seed, 'churn');
  }

  get people(): number {
    return this.#peers.length;
  }

  /** What was done how often. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Everybody leaves. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await Promise.all(this.#peers.splice(0).map((peer) => peer.leave().catch(() => peer.vanish())));
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const what = this.#next();
      try {
        await this.#do(what);
        this.#count(what);
      } catch (error) {
        // A node that is being restarted, a worker that was killed: the next one fares better.
        this.#count(`${what} failed: ${MeridianError.from(error).code}`);
      }
      this.#forgetLost();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  #next(): string {
    const { people } = this.#options;
    if (this.#peers.length < people - 1) return 'join';
    if (this.#peers.length > people + 1) return this.#random.pick(['leave', 'vanish']);
    return this.#random.pick([
      'join',
      'leave',
      'vanish',
      'refresh',
      'refresh',
      'resume',
      'resume',
      'mute',
      'mute',
      'chat',
      'receive',
    ]);
  }

  async #do(what: string): Promise<void> {
    const { url, rooms, regions } = this.#options;
    const random = this.#random;
    if (what === 'join') {
      const room = random.pick(rooms);
      const name = `Person ${++this.#names}`;
      const peer = await LightPeer.join({ url, room, region: random.pick(regions), name });
      this.#peers.push(peer);
      await peer.publish(random.chance(0.3) ? ['audio', 'video'] : ['audio']);
      return;
    }
    const index = random.below(this.#peers.length);
    const peer = this.#peers[index];
    if (peer === undefined) return;
    switch (what) {
      case 'leave':
      case 'vanish':
        this.#peers.splice(index, 1);
        if (what === 'leave') await peer.leave();
        else peer.vanish();
        break;
      case 'refresh':
        await peer.refresh();
        await peer.publish(['audio']);
        break;
      case 'resume':
        if (!(await peer.cutAndResume())) throw new MeridianError('session-lost');
        break;
      case 'receive':
        if (peer.received.size === 0) await peer.receive();
        break;
      case 'mute':
        for (const { producerId } of peer.published.values()) {
          await peer.connection.request('pause-producer', { producerId });
          await peer.connection.request('resume-producer', { producerId });
        }
        break;
      default:
        await peer.connection.request('send-chat', { text: `hello from ${peer.sessionId}` });
    }
  }

  #forgetLost(): void {
    for (const peer of [...this.#peers]) {
      if (peer.connected) continue;
      this.#peers.splice(this.#peers.indexOf(peer), 1);
      peer.vanish();
      this.#count('was put out');
    }
  }

  #count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
}
