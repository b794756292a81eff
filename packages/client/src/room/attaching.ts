import type { NodeId } from '@meridian/protocol';
import type { Context } from '../context.ts';
import { isSdkError } from '../errors.ts';
import type { MeasuredRtt } from '../probing.ts';
import type { SignallingConnection } from '../signalling/connection.ts';
import { type Attached, attach, type LoadedDevice } from './attach.ts';
import { KnownRtts } from './known-rtts.ts';
import { Stopwatch } from './timings.ts';

export interface AttachInput {
  readonly avoid: readonly NodeId[];
  readonly handover: boolean;
  readonly signal: AbortSignal;
  readonly onNode: (nodeId: NodeId) => void;
}

/** Gets the same session attached again: what is known of earlier attachments helps the next one. */
export class Attaching {
  readonly rtts: KnownRtts;
  readonly #context: Context;
  readonly #autoSubscribe: boolean;
  #device: LoadedDevice;
  /** Has the newest token of the session. */
  #newest: SignallingConnection;

  constructor(options: {
    context: Context;
    attached: Attached;
    autoSubscribe: boolean;
    rtts: readonly MeasuredRtt[];
  }) {
    const { attached, context } = options;
    this.#context = context;
    this.#autoSubscribe = options.autoSubscribe;
    this.#device = attached.loadedDevice;
    this.#newest = attached.connection;
    this.rtts = new KnownRtts(context, options.rtts);
  }

  /** For the page after this one, and for the next attachment. */
  get sessionToken(): string {
    return this.#newest.sessionToken;
  }

  /**
   * In the region that was asked for, else anywhere.
   * @throws what the service or the node answered; ClientError on the way there
   */
  async attach(input: AttachInput): Promise<Attached> {
    const { region } = this.#context;
    const rtts = await this.rtts.get();
    try {
      return await this.#attach(input, rtts, region);
    } catch (error) {
      // Better in the room on another continent than nowhere.
      if (region === undefined || !isSdkError(error, 'region-unavailable')) throw error;
      return this.#attach(input, rtts, undefined);
    }
  }

  async #attach(input: AttachInput, rtts: readonly MeasuredRtt[], region: Context['region']): Promise<Attached> {
    const context = this.#context;
    const attached = await attach({
      ...input,
      context,
      autoSubscribe: this.#autoSubscribe,
      region,
      rtts: rtts.filter(({ nodeId }) => !input.avoid.includes(nodeId)),
      previousSessionToken: this.sessionToken,
      loadedDevice: this.#device,
      watch: new Stopwatch(context.runtime.now),
    });
    this.#newest = attached.connection;
    this.#device = attached.loadedDevice;
    return attached;
  }
}
