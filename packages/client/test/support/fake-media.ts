import { Device, FakeHandler, testFakeParameters } from 'mediasoup-client';

type HandlerInterface = ReturnType<typeof FakeHandler.createFactory>['factory'] extends (options: never) => infer H
  ? H
  : never;

/** The transports of mediasoup-client's fake browser, with what flows over them in a test's hands. */
export class FakeMedia {
  readonly #handlers: HandlerInterface[] = [];
  /** Tracks that something comes in over: decoded frames and packets so far; more with every look. */
  readonly #flowing = new Map<string, number>();
  /** What all transports have received together; rises with every look while media lives. */
  #bytes = 0;
  lives = true;
  /** What was ended of the transports, in order. */
  readonly ended: ('track' | 'send' | 'recv')[] = [];
  /** What the browser thinks that every way carries, bit/s. */
  carriedBps: number | undefined;
  /** The least, kbit/s, that each connection was told to count on for what is sent, in order; undefined: what the browser thinks. */
  readonly leastKbps: (number | undefined)[] = [];
  /** Every track that was made for a consumer. */
  readonly received: { id: string }[] = [];

  createDevice = (): Device => {
    const usual = FakeHandler.createFactory(testFakeParameters);
    const factory: typeof usual.factory = (options) => {
      const handler = usual.factory(options);
      handler.getTransportStats = async () => this.#stats();
      const receive = handler.receive.bind(handler);
      handler.receive = async (wanted) => {
        const made = await receive(wanted);
        this.received.push(...made.map(({ track }) => track));
        return made;
      };
      const send = handler.send.bind(handler);
      handler.send = (wanted) => {
        this.leastKbps.push(wanted.codecOptions?.videoGoogleMinBitrate);
        return send(wanted);
      };
      const replaceTrack = handler.replaceTrack.bind(handler);
      handler.replaceTrack = async (localId, track) => {
        if (track === null) this.ended.push('track');
        await replaceTrack(localId, track);
      };
      const close = handler.close.bind(handler);
      handler.close = () => {
        this.ended.push(options.direction);
        close();
      };
      this.#handlers.push(handler);
      return handler;
    };
    return new Device({ handlerFactory: { ...usual, factory } });
  };

  /** Something comes in over this track now. */
  flow(track: { id: string }, frames = 100): void {
    this.#flowing.set(track.id, frames);
  }

  /** All transports that were made so far, the closed ones included. */
  setState(state: 'connected' | 'disconnected' | 'failed'): void {
    for (const handler of this.#handlers) handler.emit('@connectionstatechange', state);
  }

  #stats(): RTCStatsReport {
    if (this.lives) this.#bytes += 1_000;
    const reports: Record<string, unknown>[] = [
      {
        id: 'pair',
        type: 'candidate-pair',
        nominated: true,
        bytesReceived: this.#bytes,
        availableOutgoingBitrate: this.carriedBps,
      },
      { id: 'out-v', type: 'outbound-rtp', kind: 'video', bytesSent: 1 },
      { id: 'out-a', type: 'outbound-rtp', kind: 'audio', bytesSent: 1 },
    ];
    for (const [trackIdentifier, before] of this.#flowing) {
      const count = before + 2;
      this.#flowing.set(trackIdentifier, count);
      reports.push({
        id: `in-${trackIdentifier}`,
        type: 'inbound-rtp',
        trackIdentifier,
        framesDecoded: count,
        packetsReceived: count,
      });
    }
    return new Map(reports.map((report) => [String(report.id), report]));
  }
}
