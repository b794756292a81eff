import type { LinkId, NodeId, RoomId } from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';

/** A link that this node pulls over, with media on it. */
export interface WatchedLink {
  readonly linkId: LinkId;
  readonly roomId: RoomId;
  readonly remoteNodeId: NodeId;
  /** All that has come over the pipe so far, RTCP included, bytes. @throws when the link has ended */
  received(): Promise<number>;
}

export interface PipeWatchOptions {
  readonly clock: Clock;
  readonly links: () => readonly WatchedLink[];
  /** What the origin has sent over each link so far, bytes. @throws when it does not answer */
  readonly askSent: (remote: NodeId, linkIds: LinkId[]) => Promise<ReadonlyMap<LinkId, number>>;
  readonly onDown: (link: WatchedLink) => void;
  readonly onUp: (link: WatchedLink) => void;
  /** It has been down for a while although the origin can be talked to: a new pipe may help. */
  readonly onReopen: (link: WatchedLink) => void;
  readonly everyMs?: number;
  readonly silentAfterMs?: number;
}

/** How long a pipe may carry nothing before its origin is asked. mediasoup reports (RTCP) every 5 s where nothing else flows. */
const SILENT_AFTER_MS = 4_000;
const EVERY_MS = 2_000;
/** A pipe that stays down is replaced after this long, then after twice as long, and so on. */
const REOPEN_FIRST_MS = 10_000;
const REOPEN_MOST_MS = 60_000;

interface Health {
  linkId: LinkId;
  received: number;
  /** When it last grew. */
  grewAtMs: number;
  /** What the origin had sent when the silence was first looked into. */
  sentInSilence: number | undefined;
  /** The origin has sent meanwhile; the next round decides, since what it sent may be on its way. */
  doubtful: boolean;
  down: boolean;
  reopenAtMs: number;
  reopens: number;
}

/**
 * Finds relay links whose pipe carries nothing any more. Silence alone is no proof, since nobody may be
 * sending; it counts when the origin says that it has sent, or when the origin does not answer either.
 * A link is down until something comes over it, or over the one that takes its place.
 */
export class PipeWatch {
  readonly #options: PipeWatchOptions;
  readonly #healths = new Map<string, Health>();
  readonly #cancel: Cancel;
  #looking = false;
  #closed = false;

  constructor(options: PipeWatchOptions) {
    this.#options = options;
    this.#cancel = options.clock.every(options.everyMs ?? EVERY_MS, () => void this.look());
  }

  isDown(link: { readonly roomId: RoomId; readonly remoteNodeId: NodeId }): boolean {
    return this.#healths.get(keyOf(link))?.down ?? false;
  }

  /** One round. Runs by itself. */
  async look(): Promise<void> {
    if (this.#looking || this.#closed) return;
    this.#looking = true;
    try {
      const links = this.#options.links();
      const known = new Set(links.map(keyOf));
      for (const key of this.#healths.keys()) if (!known.has(key)) this.#healths.delete(key);
      const silent = (await Promise.all(links.map((link) => this.#read(link)))).flat();
      await Promise.all([...groupByNode(silent)].map(([remote, theirs]) => this.#lookInto(remote, theirs)));
    } finally {
      this.#looking = false;
    }
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#healths.clear();
  }

  /** @returns the link when it has been silent for too long */
  async #read(link: WatchedLink): Promise<WatchedLink[]> {
    const received = await link.received().catch(() => undefined);
    if (received === undefined || this.#closed) return [];
    const nowMs = this.#options.clock.now();
    const health = this.#healthOf(link, nowMs);
    if (received > health.received) {
      health.received = received;
      health.grewAtMs = nowMs;
      health.sentInSilence = undefined;
      health.doubtful = false;
      if (health.down) {
        health.down = false;
        health.reopens = 0;
        this.#options.onUp(link);
      }
      return [];
    }
    return nowMs - health.grewAtMs >= (this.#options.silentAfterMs ?? SILENT_AFTER_MS) ? [link] : [];
  }

  async #lookInto(remote: NodeId, links: readonly WatchedLink[]): Promise<void> {
    const answer = await this.#options
      .askSent(
        remote,
        links.map(({ linkId }) => linkId),
      )
      .catch(() => undefined);
    if (this.#closed) return;
    for (const link of links) {
      const health = this.#healths.get(keyOf(link));
      if (health?.linkId !== link.linkId) continue;
      if (answer === undefined) this.#goDown(link, health);
      else this.#compare(link, health, answer.get(link.linkId));
    }
  }

  #compare(link: WatchedLink, health: Health, sent: number | undefined): void {
    // The origin does not know the link, or does not say: the check for orphans is there for that.
    if (sent === undefined) return;
    const { clock, onReopen } = this.#options;
    if (health.sentInSilence === undefined) {
      health.sentInSilence = sent;
    } else if (sent > health.sentInSilence) {
      if (health.doubtful) this.#goDown(link, health);
      health.doubtful = true;
    }
    if (!health.down || clock.now() < health.reopenAtMs) return;
    health.reopens += 1;
    health.reopenAtMs = clock.now() + Math.min(REOPEN_MOST_MS, REOPEN_FIRST_MS * 2 ** health.reopens);
    onReopen(link);
  }

  #goDown(link: WatchedLink, health: Health): void {
    if (health.down) return;
    health.down = true;
    health.reopenAtMs = this.#options.clock.now() + REOPEN_FIRST_MS;
    this.#options.onDown(link);
  }

  /** A link that took another one's place begins to count anew, and is down for as long as that one was. */
  #healthOf(link: WatchedLink, nowMs: number): Health {
    const key = keyOf(link);
    const known = this.#healths.get(key);
    if (known?.linkId === link.linkId) return known;
    const fresh: Health = {
      linkId: link.linkId,
      received: 0,
      grewAtMs: nowMs,
      sentInSilence: undefined,
      doubtful: false,
      down: known?.down ?? false,
      reopenAtMs: known?.reopenAtMs ?? 0,
      reopens: known?.reopens ?? 0,
    };
    this.#healths.set(key, fresh);
    return fresh;
  }
}

const keyOf = ({ roomId, remoteNodeId }: { readonly roomId: RoomId; readonly remoteNodeId: NodeId }): string =>
  `${roomId}|${remoteNodeId}`;

function groupByNode(links: readonly WatchedLink[]): Map<NodeId, WatchedLink[]> {
  const groups = new Map<NodeId, WatchedLink[]>();
  for (const link of links) {
    const group = groups.get(link.remoteNodeId);
    if (group === undefined) groups.set(link.remoteNodeId, [link]);
    else group.push(link);
  }
  return groups;
}
