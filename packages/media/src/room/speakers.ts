import type { ProducerId, SessionId } from '@meridian/protocol';
import type { types } from 'mediasoup';
import type { MediaClock, MediaLogger } from '../options.ts';
import type { ActiveSpeakers } from '../ports.ts';
import { Throttle } from './throttle.ts';

/** Volumes are looked at, and reported, this often at most. */
const INTERVAL_MS = 300;
const MOST_SPEAKERS = 8;
/** Average volume below which nobody is said to speak, dBov. */
const THRESHOLD_DBOV = -70;

/**
 * Who speaks, by the microphones that are on one router: volumes by mediasoup's AudioLevelObserver,
 * the dominant speaker by its ActiveSpeakerObserver.
 */
export class Speakers {
  readonly #router: types.Router;
  readonly #report: Throttle;
  readonly #logger: MediaLogger;
  readonly #emit: (speakers: ActiveSpeakers) => void;
  readonly #sessions = new Map<string, SessionId>();
  #observers: Promise<[types.AudioLevelObserver, types.ActiveSpeakerObserver]> | undefined;
  #speakers: ActiveSpeakers['speakers'] = [];
  #dominant: string | undefined;
  #closed = false;

  constructor(options: {
    router: types.Router;
    clock: MediaClock;
    logger: MediaLogger;
    emit: (speakers: ActiveSpeakers) => void;
  }) {
    this.#router = options.router;
    this.#report = new Throttle({ everyMs: INTERVAL_MS, clock: options.clock, action: () => this.#send() });
    this.#logger = options.logger;
    this.#emit = options.emit;
  }

  /** The producer must be on the router. Made on the first microphone, so that silent rooms cost nothing. */
  async add(producerId: ProducerId, sessionId: SessionId): Promise<void> {
    if (this.#closed) return;
    this.#sessions.set(producerId, sessionId);
    this.#observers ??= this.#observe().catch((error: unknown) => {
      this.#observers = undefined;
      throw error;
    });
    try {
      const observers = await this.#observers;
      if (this.#closed || !this.#sessions.has(producerId)) return;
      await Promise.all(observers.map((observer) => observer.addProducer({ producerId })));
    } catch (error) {
      // The microphone or the router closed meanwhile; the room takes it off by `remove`.
      this.#logger.debug({ producerId, err: error }, 'a microphone is not observed');
    }
  }

  /** To be called when the producer closes; mediasoup's observers forget it by themselves. */
  remove(producerId: ProducerId): void {
    const sessionId = this.#sessions.get(producerId);
    if (sessionId === undefined) return;
    this.#sessions.delete(producerId);
    const spoke = this.#dominant === producerId || this.#speakers.some((speaker) => speaker.sessionId === sessionId);
    if (this.#dominant === producerId) this.#dominant = undefined;
    this.#speakers = this.#speakers.filter((speaker) => speaker.sessionId !== sessionId);
    if (spoke) this.#report.call();
  }

  close(): void {
    this.#closed = true;
    this.#report.close();
    this.#sessions.clear();
    this.#observers?.then(
      (observers) => {
        for (const observer of observers) observer.close();
      },
      () => {},
    );
  }

  async #observe(): Promise<[types.AudioLevelObserver, types.ActiveSpeakerObserver]> {
    const [levels, dominant] = await Promise.all([
      this.#router.createAudioLevelObserver({
        interval: INTERVAL_MS,
        maxEntries: MOST_SPEAKERS,
        threshold: THRESHOLD_DBOV,
      }),
      this.#router.createActiveSpeakerObserver({ interval: INTERVAL_MS }),
    ]);
    levels.on('volumes', (volumes) => {
      const bySession = new Map<SessionId, number>();
      for (const { producer, volume } of volumes) {
        const sessionId = this.#sessions.get(producer.id);
        if (sessionId === undefined) continue;
        bySession.set(sessionId, Math.max(volume, bySession.get(sessionId) ?? -127));
      }
      this.#speakers = [...bySession]
        .map(([sessionId, volume]) => ({ sessionId, volume }))
        .sort((a, b) => b.volume - a.volume);
      this.#report.call();
    });
    levels.on('silence', () => {
      this.#speakers = [];
      this.#report.call();
    });
    dominant.on('dominantspeaker', ({ producer }) => {
      if (!this.#sessions.has(producer.id)) return;
      this.#dominant = producer.id;
      this.#report.call();
    });
    return [levels, dominant];
  }

  #send(): void {
    const dominant = this.#dominant === undefined ? undefined : this.#sessions.get(this.#dominant);
    this.#emit({ speakers: this.#speakers, dominant: dominant ?? null });
  }
}
