import type { Cancel, Clock } from '../clock.ts';

export type TransportName = 'send' | 'recv';
export type TransportState = 'connected' | 'disconnected' | 'failed';
/** A transport that was never used has no state. */
export type TransportStates = { readonly [T in TransportName]?: TransportState | undefined };

/**
 * - `alive`: one transport at least works, or none was used yet.
 * - `interrupted`: all that were used lost their connection; ICE may bring it back.
 * - `dead`: DTLS of all that were used has failed; nothing brings them back.
 */
export function transportHealth(states: TransportStates): 'alive' | 'interrupted' | 'dead' {
  const used = [states.send, states.recv].filter((state) => state !== undefined);
  if (used.length === 0 || used.includes('connected')) return 'alive';
  return used.includes('disconnected') ? 'interrupted' : 'dead';
}

export interface TransportHealthOptions {
  readonly clock: Clock;
  /** How long an interruption may last, milliseconds. */
  readonly graceMs: number;
  /** Called once. */
  readonly onDead: () => void;
}

/** Watches both transports of a participant; gives an interruption time to end. */
export class TransportHealth {
  readonly #options: TransportHealthOptions;
  #states: TransportStates = {};
  #cancelGrace: Cancel | undefined;
  #closed = false;

  constructor(options: TransportHealthOptions) {
    this.#options = options;
  }

  update(transport: TransportName, state: TransportState): void {
    if (this.#closed) return;
    this.#states = { ...this.#states, [transport]: state };
    const health = transportHealth(this.#states);
    if (health === 'alive') {
      this.#cancelGrace?.();
      this.#cancelGrace = undefined;
    } else if (health === 'dead') {
      this.#dead();
    } else {
      this.#cancelGrace ??= this.#options.clock.after(this.#options.graceMs, () => this.#dead());
    }
  }

  /** An interruption may last so long from now on: who could do nothing about it until now can. */
  renew(): void {
    if (this.#cancelGrace === undefined || this.#closed) return;
    this.#cancelGrace();
    this.#cancelGrace = this.#options.clock.after(this.#options.graceMs, () => this.#dead());
  }

  close(): void {
    this.#closed = true;
    this.#cancelGrace?.();
  }

  #dead(): void {
    if (this.#closed) return;
    this.close();
    this.#options.onDead();
  }
}
