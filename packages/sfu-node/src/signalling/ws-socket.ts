import type { WebSocket } from '@fastify/websocket';
import type { SignallingSocket } from './connection.ts';

/** A `ws` WebSocket as a connection needs it. */
export function signallingSocket(webSocket: WebSocket): SignallingSocket {
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
