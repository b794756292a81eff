import type { SignallingSocket } from './connection.ts';

/** What a node uses of a WebSocket of the `ws` package. */
export interface ServerWebSocket {
  readonly readyState: number;
  readonly OPEN: number;
  readonly bufferedAmount: number;
  on(event: 'message', listener: (data: Buffer | ArrayBuffer | Buffer[], isBinary: boolean) => void): unknown;
  on(event: 'ping' | 'pong', listener: () => void): unknown;
  on(event: 'close', listener: (code: number) => void): unknown;
  send(text: string, sent: () => void): void;
  close(code: number, reason: string): void;
  terminate(): void;
  ping(): void;
}

/** A `ws` WebSocket as a connection needs it. */
export function signallingSocket(webSocket: ServerWebSocket): SignallingSocket {
  return {
    get isOpen() {
      return webSocket.readyState === webSocket.OPEN;
    },
    get bufferedAmount() {
      return webSocket.bufferedAmount;
    },
    send(text, sent) {
      if (webSocket.readyState === webSocket.OPEN) webSocket.send(text, sent);
    },
    close(code, reason) {
      webSocket.close(code, reason);
    },
    terminate() {
      webSocket.terminate();
    },
    ping() {
      webSocket.ping();
    },
  };
}
