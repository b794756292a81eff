import { type TransportId, TransportId as TransportIdSchema, type TransportOptions } from '@meridian/protocol';
import type { Device, types } from 'mediasoup-client';
import type { Runtime } from '../runtime.ts';
import type { SignallingConnection } from '../signalling/connection.ts';
import { IceGuard } from './ice-guard.ts';
import { toDeviceTransport } from './wire.ts';

export interface LinkOptions {
  readonly runtime: Runtime;
  readonly device: Device;
  readonly connection: SignallingConnection;
  readonly transport: TransportOptions;
  readonly iceServers: RTCIceServer[];
  readonly onConnected: () => void;
  readonly onDead: () => void;
}

/** One WebRTC transport together with its guard; the send and the receive side build on it. */
export class MediaLink {
  readonly transport: types.Transport;
  readonly transportId: TransportId;
  readonly #guard: IceGuard;

  constructor(direction: 'send' | 'recv', options: LinkOptions) {
    const { connection, device, runtime } = options;
    const description = toDeviceTransport(options.transport, options.iceServers);
    const transport =
      direction === 'send' ? device.createSendTransport(description) : device.createRecvTransport(description);
    this.transport = transport;
    this.transportId = TransportIdSchema.parse(transport.id);
    transport.on('connect', ({ dtlsParameters }, done) => {
      // Not waited for: frames keep their order, so the node knows the fingerprint before ICE has even
      // ended. It saves a round trip; a refusal makes the link useless and is treated as such.
      connection.request('connect-transport', { transportId: this.transportId, dtlsParameters }).catch(() => {
        if (!transport.closed && connection.isOpen) options.onDead();
      });
      done();
    });
    this.#guard = new IceGuard({
      transport,
      runtime,
      onConnected: options.onConnected,
      onDead: options.onDead,
      restart: async () => {
        const { iceParameters } = await connection.request('restart-ice', { transportId: this.transportId });
        if (!transport.closed) await transport.restartIce({ iceParameters: iceParameters as types.IceParameters });
      },
    });
  }

  restartIce(): void {
    this.#guard.restartNow();
  }

  close(): void {
    this.#guard.close();
    this.transport.close();
  }
}
