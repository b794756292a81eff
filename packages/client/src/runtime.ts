import { Device } from 'mediasoup-client';
import { ClientError } from './errors.ts';

export interface SocketClosed {
  readonly code: number;
  readonly reason: string;
}

export interface SocketEvents {
  open(): void;
  message(text: string): void;
  /** Last event; also when the connection could not be made at all. */
  closed(how: SocketClosed): void;
}

export interface Socket {
  send(text: string): void;
  close(code: number, reason: string): void;
}

/** What the SDK needs of the world around it; tests pass their own. */
export interface Runtime {
  fetch(url: string, init: RequestInit): Promise<Response>;
  openSocket(url: string, protocols: readonly string[], events: SocketEvents): Socket;
  /** mediasoup-client's device for this browser. @throws ClientError `browser-unsupported` */
  createDevice(): Device;
  /** Milliseconds; never goes back. */
  now(): number;
  /** 0 (included) to 1 (excluded). */
  random(): number;
  /** Calls back once after `ms`; returns the cancelling. */
  after(ms: number, callback: () => void): () => void;
  isOnline(): boolean;
  /** Returns the undoing. */
  onOnline(listener: () => void): () => void;
  /** The way to the network is another one now, as from Wi-Fi to a mobile network. Returns the undoing. */
  onNetworkChange(listener: () => void): () => void;
  /** The page can be seen again; its timers may have stood still until now. Returns the undoing. */
  onVisible(listener: () => void): () => void;
  /** The page is going away (closed, reloaded, or put aside by the browser). Returns the undoing. */
  onPageHide(listener: () => void): () => void;
}

export function browserRuntime(): Runtime {
  return {
    fetch: (url, init) => fetch(url, init),
    openSocket(url, protocols, events) {
      const socket = new WebSocket(url, [...protocols]);
      socket.onopen = () => events.open();
      socket.onmessage = (message: MessageEvent<unknown>) => {
        if (typeof message.data === 'string') events.message(message.data);
      };
      socket.onclose = ({ code, reason }) => events.closed({ code, reason });
      return {
        send: (text) => socket.send(text),
        close: (code, reason) => socket.close(code, reason),
      };
    },
    createDevice() {
      try {
        return new Device();
      } catch (cause) {
        throw new ClientError('browser-unsupported', { cause });
      }
    },
    now: () => performance.now(),
    random: () => Math.random(),
    after(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
    isOnline: () => navigator.onLine,
    onOnline: (listener) => listen(window, 'online', listener),
    onNetworkChange(listener) {
      // Chromium on mobile systems says what kind of network it is; elsewhere `online` has to do. The same event tells
      // of new estimates of its speed, which are none of our business.
      const network: unknown = Reflect.get(navigator, 'connection');
      if (!(network instanceof EventTarget)) return () => {};
      const kindOf = (): unknown => Reflect.get(network, 'type');
      let kind = kindOf();
      return listen(network, 'change', () => {
        if (kindOf() === kind) return;
        kind = kindOf();
        listener();
      });
    },
    onVisible: (listener) =>
      listen(document, 'visibilitychange', () => {
        if (document.visibilityState === 'visible') listener();
      }),
    onPageHide: (listener) => listen(window, 'pagehide', listener),
  };
}

function listen(target: EventTarget, event: string, listener: () => void): () => void {
  target.addEventListener(event, listener);
  return () => target.removeEventListener(event, listener);
}

/** Resolves after `ms`. @throws ClientError `aborted` */
export function pause(runtime: Pick<Runtime, 'after'>, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      cancel();
      reject(new ClientError('aborted', { cause: signal?.reason }));
    };
    const cancel = runtime.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * A signal that aborts with its parent or after `ms`, and the undoing that must be called when the
 * guarded work has ended. `expired()` tells a deadline from the parent's abort.
 */
export function deadline(
  runtime: Pick<Runtime, 'after'>,
  ms: number,
  parent?: AbortSignal,
): { signal: AbortSignal; expired: () => boolean; clear: () => void } {
  const controller = new AbortController();
  let expired = false;
  const onParent = () => controller.abort(parent?.reason);
  const cancel = runtime.after(ms, () => {
    expired = true;
    controller.abort(new Error(`not within ${ms} ms`));
  });
  if (parent?.aborted) onParent();
  else parent?.addEventListener('abort', onParent, { once: true });
  return {
    signal: controller.signal,
    expired: () => expired,
    clear: () => {
      cancel();
      parent?.removeEventListener('abort', onParent);
    },
  };
}
