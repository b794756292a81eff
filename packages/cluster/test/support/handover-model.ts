import type { EndReason, NodeId } from '@meridian/protocol';

export interface Held {
  readonly nodeId: NodeId;
  /** As its node knows it. */
  epoch: number;
}

/** Reasons for which nobody wished to leave: a participant that has not left its former node goes back to it. */
const UNWANTED: ReadonlySet<EndReason> = new Set(['transport-failed', 'connection-lost', 'moved', 'node-lost']);

/** One session in a room, by the rules of moves, in few words. */
export class SessionModel {
  /** Where it is; undefined: not in the room. */
  current: Held | undefined;
  /** The epoch that everybody sees. */
  seen = 0;
  /** What it has not left yet, oldest first. */
  halves: Held[] = [];
  readonly producers = new Map<string, Held>();

  join(at: Held, handover: boolean): 'confirmed' | 'session-replaced' {
    if (this.current !== undefined && this.seen > at.epoch) return 'session-replaced';
    if (handover && this.current !== undefined && this.current.nodeId !== at.nodeId) {
      this.#drop((half) => half.nodeId === at.nodeId);
      this.halves.push(this.current);
    } else {
      this.#clear();
    }
    this.current = { ...at };
    this.seen = at.epoch;
    return 'confirmed';
  }

  /** `handed-back`: it is where it was before, and everybody sees a newer epoch. */
  leave(at: Held, reason: EndReason): 'left' | 'handed-back' | 'nothing' {
    if (this.current !== undefined && owns(this.current, at)) return this.#lose(reason);
    return this.#drop((half) => owns(half, at)) ? 'left' : 'nothing';
  }

  publish(id: string, at: Held): boolean {
    const holder = [this.current, ...this.halves].find((held) => held !== undefined && owns(held, at));
    if (holder === undefined) return false;
    if (holder !== this.current) holder.epoch = at.epoch;
    this.producers.set(id, { ...at });
    return true;
  }

  crash(nodeId: NodeId): 'handed-back' | 'other' {
    this.#drop((half) => half.nodeId === nodeId);
    const outcome = this.current?.nodeId === nodeId ? this.#lose('node-lost') : 'left';
    for (const [id, held] of this.producers) if (held.nodeId === nodeId) this.producers.delete(id);
    return outcome === 'handed-back' ? outcome : 'other';
  }

  /** Redis lost everything, and the nodes have put back what they hold. */
  restored(): void {
    if (this.current !== undefined) this.seen = this.current.epoch;
    for (const [id, { nodeId }] of this.producers) {
      const holder = [this.current, ...this.halves].find((held) => held?.nodeId === nodeId);
      if (holder === undefined) this.producers.delete(id);
      else this.producers.set(id, { ...holder });
    }
  }

  #lose(reason: EndReason): 'left' | 'handed-back' {
    const former = UNWANTED.has(reason) ? this.halves.pop() : undefined;
    if (former === undefined || this.current === undefined) {
      this.#clear();
      return 'left';
    }
    this.#close(this.current);
    this.current = former;
    return 'handed-back';
  }

  #drop(which: (half: Held) => boolean): boolean {
    const gone = this.halves.filter(which);
    this.halves = this.halves.filter((half) => !gone.includes(half));
    for (const half of gone) this.#close(half);
    return gone.length > 0;
  }

  #close({ nodeId, epoch }: Held): void {
    for (const [id, held] of this.producers) {
      if (held.nodeId === nodeId && held.epoch <= epoch) this.producers.delete(id);
    }
  }

  #clear(): void {
    this.current = undefined;
    this.halves = [];
    this.producers.clear();
  }
}

const owns = (held: Held, at: Held): boolean => held.nodeId === at.nodeId && held.epoch <= at.epoch;
