import type { types } from 'mediasoup';
import type { MediaSettings } from '../options.ts';
import { SEAL_BYTES } from '../relay/sealing.ts';
import type { PlacedRouter } from '../workers/slot.ts';

/** What a client sends over, and what it receives over; both or neither. */
export async function createClientTransports(
  placed: PlacedRouter,
  settings: MediaSettings,
): Promise<{ send: types.WebRtcTransport; recv: types.WebRtcTransport }> {
  const create = () =>
    placed.router.createWebRtcTransport({
      webRtcServer: placed.worker.webRtcServer,
      enableUdp: true,
      enableTcp: true,
      preferUdp: true,
      iceConsentTimeout: settings.iceConsentTimeoutS,
      initialAvailableOutgoingBitrate: settings.initialOutgoingBitrate,
      enableSctp: true,
      maxSendMessageSize: settings.maxDataMessageBytes,
      maxReceiveMessageSize: settings.maxDataMessageBytes,
    });
  const createSend = async () => {
    const transport = await create();
    if (settings.maxIncomingBitrate === 0) return transport;
    try {
      await transport.setMaxIncomingBitrate(settings.maxIncomingBitrate);
      return transport;
    } catch (error) {
      transport.close();
      throw error;
    }
  };
  const [send, recv] = await Promise.allSettled([createSend(), create()]);
  if (send.status === 'fulfilled' && recv.status === 'fulfilled') return { send: send.value, recv: recv.value };
  if (send.status === 'fulfilled') send.value.close();
  if (recv.status === 'fulfilled') recv.value.close();
  throw send.status === 'rejected' ? send.reason : recv.status === 'rejected' ? recv.reason : undefined;
}

/** One half of a relay link: SRTP, retransmission and SCTP on, as on the other half. */
export function createRelayPipe(placed: PlacedRouter, settings: MediaSettings): Promise<types.PipeTransport> {
  const { listenIp, announcedAddress, portRange } = settings.pipe;
  const messageBytes = settings.maxDataMessageBytes + SEAL_BYTES;
  return placed.router.createPipeTransport({
    listenInfo: {
      protocol: 'udp',
      ip: listenIp,
      portRange: { ...portRange },
      ...(announcedAddress === undefined ? {} : { announcedAddress }),
    },
    enableSrtp: true,
    enableRtx: true,
    enableSctp: true,
    maxSendMessageSize: messageBytes,
    maxReceiveMessageSize: messageBytes,
  });
}
