/** What all of mediasoup's objects share. */
export interface Closable {
  readonly closed: boolean;
  readonly observer: {
    once(event: 'close', listener: () => void): unknown;
    off(event: 'close', listener: () => void): unknown;
  };
  close(): void;
}
