import { createSocket, type Socket } from 'node:dgram';
import {
  type DataProducerId,
  type ProducerId,
  RelayEndpoint,
  RelayedDataProducer,
  RelayedProducer,
} from '@meridian/protocol';
import type { z } from 'zod';
import type { RelayEnd, RoomMedia } from '../../src/index.ts';
import { newLinkId } from './engines.ts';

/** What happens to a packet on the way: it goes on as it is, changed, late, or not at all. */
export type OnTheWay = (
  packet: Buffer,
  toward: 'puller' | 'origin',
) => Buffer | { packet: Buffer; afterMs: number } | undefined;

/** The network between two relay ends: sees every packet, and may do to it what networks do. */
export interface Wire {
  readonly packets: readonly { readonly toward: 'puller' | 'origin'; readonly packet: Buffer }[];
  onTheWay: OnTheWay;
  /** What each end has to connect to instead of the other. */
  toOrigin(endpoint: RelayEndpoint): RelayEndpoint;
  toPuller(endpoint: RelayEndpoint): RelayEndpoint;
  close(): void;
}

const bound = (): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => resolve(socket));
  });

export async function openWire(): Promise<Wire> {
  const [facingOrigin, facingPuller] = await Promise.all([bound(), bound()]);
  const packets: { toward: 'puller' | 'origin'; packet: Buffer }[] = [];
  let originPort = 0;
  let pullerPort = 0;
  const wire: Wire = {
    packets,
    onTheWay: (packet) => packet,
    toOrigin(endpoint) {
      originPort = endpoint.port;
      return { ...endpoint, port: facingPuller.address().port };
    },
    toPuller(endpoint) {
      pullerPort = endpoint.port;
      return { ...endpoint, port: facingOrigin.address().port };
    },
    close() {
      closed = true;
      facingOrigin.close();
      facingPuller.close();
    },
  };
  let closed = false;
  const carry = (packet: Buffer, toward: 'puller' | 'origin') => {
    packets.push({ toward, packet });
    const fate = wire.onTheWay(Buffer.from(packet), toward);
    if (fate === undefined) return;
    const send = (bytes: Buffer) => {
      if (closed) return;
      if (toward === 'puller') facingPuller.send(bytes, pullerPort, '127.0.0.1');
      else facingOrigin.send(bytes, originPort, '127.0.0.1');
    };
    if (Buffer.isBuffer(fate)) send(fate);
    else setTimeout(() => send(fate.packet), fate.afterMs);
  };
  facingOrigin.on('message', (packet) => carry(packet, 'puller'));
  facingPuller.on('message', (packet) => carry(packet, 'origin'));
  return wire;
}

export interface TestLink {
  readonly puller: RelayEnd;
  readonly origin: RelayEnd;
}

/** What the other node gets of a value that is sent over the node bus. */
export const overTheBus = <S extends z.ZodType>(schema: S, value: z.input<S>): z.output<S> =>
  schema.parse(JSON.parse(JSON.stringify(value)));

/** Puts a producer onto the link at the origin and takes it off at the puller. */
export async function relay({ origin, puller }: TestLink, producerId: ProducerId): Promise<void> {
  await puller.accept(overTheBus(RelayedProducer, await origin.offer(producerId)));
}

export async function relayData({ origin, puller }: TestLink, dataProducerId: DataProducerId): Promise<void> {
  await puller.acceptData(overTheBus(RelayedDataProducer, await origin.offerData(dataProducerId)));
}

/** Both halves of a link, connected as the signalling between the nodes does it. */
export async function openLink(from: { origin: RoomMedia; puller: RoomMedia; wire?: Wire }): Promise<TestLink> {
  const linkId = newLinkId();
  const puller = await from.puller.openRelayEnd({ linkId, role: 'puller' });
  const origin = await from.origin.openRelayEnd({ linkId, role: 'origin' });
  const [pullerAt, originAt] = [overTheBus(RelayEndpoint, puller.endpoint), overTheBus(RelayEndpoint, origin.endpoint)];
  await origin.connect(from.wire?.toPuller(pullerAt) ?? pullerAt);
  await puller.connect(from.wire?.toOrigin(originAt) ?? originAt);
  return { puller, origin };
}

/** Does on the puller what happens on the origin, as the node bus does. */
export function mirror({ puller, origin }: TestLink): void {
  origin.on('producer-paused', (id) => void puller.setPaused(id, true));
  origin.on('producer-resumed', (id) => void puller.setPaused(id, false));
  origin.on('producer-closed', (id) => puller.drop(id));
  origin.on('data-producer-closed', (id) => puller.dropData(id));
}
