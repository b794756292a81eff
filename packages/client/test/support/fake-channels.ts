import { Device, FakeHandler, testFakeParameters } from 'mediasoup-client';

/** A data channel of mediasoup-client's fake browser, with what the network does to it in a test's hands. */
export class FakeChannel {
  readonly sent: unknown[] = [];
  readonly #channel: RTCDataChannel;
  #state: RTCDataChannelState = 'connecting';
  #buffered = 0;

  constructor(channel: RTCDataChannel) {
    this.#channel = channel;
    Object.defineProperties(channel, {
      readyState: { get: () => this.#state },
      bufferedAmount: { get: () => this.#buffered },
      send: { value: (data: unknown) => this.sent.push(data) },
      close: {
        value: () => {
          this.#state = 'closed';
        },
      },
    });
  }

  get label(): string {
    return this.#channel.label;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  open(): void {
    if (this.isClosed) return;
    this.#state = 'open';
    this.#channel.dispatchEvent(new Event('open'));
  }

  /** Bytes that wait to be sent. */
  fill(bytes: number): void {
    this.#buffered = bytes;
  }

  receive(data: unknown): void {
    this.#channel.dispatchEvent(new MessageEvent('message', { data }));
  }

  /** The other side or the network ends it. */
  lose(): void {
    this.#state = 'closed';
    this.#channel.dispatchEvent(new Event('close'));
  }
}

/** Makes devices whose data channels a test can get hold of. */
export class FakeChannels {
  readonly sending: FakeChannel[] = [];
  readonly receiving: FakeChannel[] = [];

  createDevice = (): Device => {
    const usual = FakeHandler.createFactory(testFakeParameters);
    const factory: typeof usual.factory = (options) => {
      const handler = usual.factory(options);
      const send = handler.sendDataChannel.bind(handler);
      handler.sendDataChannel = async (wanted) => {
        const made = await send(wanted);
        this.sending.push(new FakeChannel(made.dataChannel));
        return made;
      };
      const receive = handler.receiveDataChannel.bind(handler);
      handler.receiveDataChannel = async (wanted) => {
        const made = await receive(wanted);
        this.receiving.push(new FakeChannel(made.dataChannel));
        return made;
      };
      return handler;
    };
    return new Device({ handlerFactory: { ...usual, factory } });
  };
}
