import type { NodeInbox, NodeRegistry, Revocation, Revocations } from '@meridian/cluster';
import type { NodeId } from '@meridian/protocol';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { backOffMs, pause, untilClusterAnswers } from '../retry.ts';

export interface RevokerOptions {
  readonly marks: Revocations;
  readonly registry: Pick<NodeRegistry, 'list'>;
  readonly inbox: Pick<NodeInbox, 'request'>;
  /** How long a token that was issued before can be valid, milliseconds. */
  readonly keepMs: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How long whoever asked waits for the nodes at most, milliseconds. */
  readonly waitMs?: number;
  /** After that a node that does not answer is left to the mark, milliseconds. */
  readonly giveUpMs?: number;
}

/** A node answers at once or not at all, milliseconds. */
const REQUEST_MS = 1_000;
/** The registry's view is up to a second old: a node that has just come is in it after this, milliseconds. */
const VIEW_MS = 1_250;
const MOST_RECENT = 10_000;

/**
 * Ends the running sessions of a user whose older tokens are worth nothing any more: a mark in Redis for the nodes that
 * are not there now, then a request to every live node, again until it answers. The mark comes first, so a node
 * that comes in between reads it.
 */
export class Revoker {
  readonly #options: RevokerOptions;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #recent = new Map<string, Revocation & { readonly atMs: number }>();

  constructor(options: RevokerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when every live node has answered, or after a moment; it goes on by itself then. Never rejects: the tokens
   * are refused everywhere else already, and who has logged out everywhere cannot ask again.
   */
  async revoke(revocation: Revocation): Promise<void> {
    this.#remember(revocation);
    const told = Promise.withResolvers<void>();
    const work = this.#revoke(revocation, told.resolve)
      .catch((err: unknown) => this.#options.log.error({ err, userId: revocation.userId }, 'a revocation failed'))
      .finally(() => this.#running.delete(work));
    this.#running.add(work);
    await Promise.race([told.promise, work, pause(this.#options.waitMs ?? 1_500, this.#stop.signal)]);
  }

  /** Redis is back, maybe empty: the marks of late are put there again. */
  async restore(): Promise<void> {
    const { marks, keepMs, log } = this.#options;
    try {
      await marks.add([...this.#recent.values()], keepMs);
    } catch (err) {
      log.warn({ err }, 'the marks of revoked users were not put back');
    }
  }

  /** Idempotent. What is under way is given up; the marks stay. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  #remember(revocation: Revocation): void {
    const nowMs = performance.now();
    for (const [userId, { atMs }] of this.#recent) {
      if (nowMs - atMs < this.#options.keepMs && this.#recent.size < MOST_RECENT) break;
      this.#recent.delete(userId);
    }
    this.#recent.delete(revocation.userId);
    this.#recent.set(revocation.userId, { ...revocation, atMs: nowMs });
  }

  async #revoke(revocation: Revocation, onTold: () => void): Promise<void> {
    const { marks, keepMs, registry, log, metrics, giveUpMs = 60_000 } = this.#options;
    const startedMs = performance.now();
    // As often as it takes: without the mark, nodes that are away now would never know.
    await untilClusterAnswers(() => marks.add([revocation], keepMs), {
      signal: this.#stop.signal,
      onFirstFailure: (err) => log.warn({ err }, 'the running sessions of a user end when Redis is back'),
    });
    const markedMs = performance.now();
    const told = new Set<NodeId>();
    let ended = 0;
    let wasTold = false;
    for (let attempt = 0; !this.#stop.signal.aborted; attempt += 1) {
      const nodes = await registry.list().catch(() => undefined);
      const open = (nodes ?? []).map(({ record }) => record.nodeId).filter((nodeId) => !told.has(nodeId));
      const answers = await Promise.all(open.map((nodeId) => this.#tell(nodeId, revocation)));
      for (const [i, answer] of answers.entries()) {
        const nodeId = open[i];
        if (answer === undefined || nodeId === undefined) continue;
        told.add(nodeId);
        ended += answer;
      }
      const all = nodes !== undefined && answers.every((answer) => answer !== undefined);
      const passedMs = performance.now() - markedMs;
      if (all && !wasTold) {
        wasTold = true;
        metrics.revocation((performance.now() - startedMs) / 1_000);
        onTold();
      }
      if (all && passedMs >= VIEW_MS) {
        log.info({ userId: revocation.userId, nodes: told.size, ended }, 'logged out everywhere');
        return;
      }
      if (passedMs >= giveUpMs) {
        log.warn({ userId: revocation.userId, silent: open }, 'nodes did not answer; they read the mark');
        return;
      }
      await pause(all ? VIEW_MS : backOffMs(attempt), this.#stop.signal);
    }
  }

  /** How many sessions ended there; undefined when it did not answer. */
  async #tell(nodeId: NodeId, revocation: Revocation): Promise<number | undefined> {
    try {
      const { userId, ver } = revocation;
      const options = { ttlMs: REQUEST_MS, signal: this.#stop.signal };
      return (await this.#options.inbox.request(nodeId, 'user.revoke', { userId, ver }, options)).ended;
    } catch (err) {
      this.#options.log.debug({ err, nodeId }, 'a node did not take a revocation; it is told again');
      return undefined;
    }
  }
}
