import type { types } from 'mediasoup-client';
import type { Runtime } from '../runtime.ts';

/** What the guard needs of a transport; mediasoup-client's fits. */
export interface GuardedTransport {
  readonly connectionState: types.ConnectionState;
  on(event: 'connectionstatechange', listener: (state: types.ConnectionState) => void): unknown;
}

export interface IceGuardOptions {
  readonly transport: GuardedTransport;
  readonly runtime: Pick<Runtime, 'after'>;
  /** Restarts ICE on both sides. */
  readonly restart: () => Promise<void>;
  readonly onConnected: () => void;
  /** Restarts did not help: the media is gone. */
  readonly onDead: () => void;
}

/** `disconnected` often mends itself; only after this long ICE is restarted. Milliseconds. */
const MEND_MS = 2_000;
/** Between restarts while it stays broken. */
const RESTART_EVERY_MS = 3_500;
/** From trouble's beginning until the transport counts as dead. */
const DEAD_AFTER_MS = 11_000;
/** For the first connection, where a firewall may be in the way. */
const CONNECT_WITHIN_MS = 15_000;

/** Watches one transport, restarts ICE when it breaks, and says when that does not help. */
export class IceGuard {
  readonly #options: IceGuardOptions;
  #trouble: { cancelDead: () => void; cancelRestart: () => void } | undefined;
  #closed = false;

  constructor(options: IceGuardOptions) {
    this.#options = options;
    options.transport.on('connectionstatechange', this.#onState);
  }

  /** The network has changed: do not wait for the browser to notice. */
  restartNow(): void {
    const { connectionState } = this.#options.transport;
    if (this.#closed || connectionState === 'new') return;
    if (connectionState === 'connected' && this.#trouble === undefined) {
      // What works is not given up: should the old path break, that is trouble in its own right.
      this.#options.restart().catch(() => {});
      return;
    }
    this.#begin(0, DEAD_AFTER_MS);
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }

  readonly #onState = (state: types.ConnectionState): void => {
    if (this.#closed) return;
    switch (state) {
      case 'connecting':
        if (this.#trouble === undefined) this.#begin(CONNECT_WITHIN_MS, CONNECT_WITHIN_MS);
        return;
      case 'connected':
        this.#end();
        this.#options.onConnected();
        return;
      case 'disconnected':
        this.#begin(MEND_MS, DEAD_AFTER_MS);
        return;
      case 'failed':
        this.#begin(0, DEAD_AFTER_MS);
        return;
      case 'new':
      case 'closed':
        return;
    }
  };

  #begin(restartInMs: number, deadInMs: number): void {
    const { runtime, onDead } = this.#options;
    this.#trouble?.cancelRestart();
    const cancelDead =
      this.#trouble?.cancelDead ??
      runtime.after(deadInMs, () => {
        this.close();
        onDead();
      });
    this.#trouble = { cancelDead, cancelRestart: runtime.after(restartInMs, () => this.#restart()) };
  }

  #restart(): void {
    if (this.#closed || this.#trouble === undefined) return;
    // A failed restart is tried again; what matters is the state that follows.
    this.#options.restart().catch(() => {});
    this.#trouble.cancelRestart = this.#options.runtime.after(RESTART_EVERY_MS, () => this.#restart());
  }

  #end(): void {
    this.#trouble?.cancelRestart();
    this.#trouble?.cancelDead();
    this.#trouble = undefined;
  }
}
