/** A process of its own: clients in a call, and one that was refused, are closed; then nothing keeps it from ending. */
import { eventually } from '@meridian/harness';
import { openSendingPeer } from '@meridian/harness/webrtc';
import { newRoomId, newSessionId, startEngine } from './engines.ts';
import { connectPublisher, connectViewer } from './peers.ts';

const engine = await startEngine();
const room = await engine.openRoom(newRoomId());
const join = () => room.openParticipant({ sessionId: newSessionId(), rtpCapabilities: engine.routerRtpCapabilities });
const [speaker, viewer] = [await join(), await join()];
const publisher = await connectPublisher(speaker);
publisher.start();
const consumers = [await viewer.consume(publisher.audioId), await viewer.consume(publisher.videoId)];
const { peer, packets } = await connectViewer(viewer, consumers);
for (const { consumerId } of consumers) await viewer.resumeConsumer(consumerId);
await eventually('media arrives', () =>
  consumers.every(({ consumerId }) => (packets.get(consumerId)?.length ?? 0) > 0),
);
publisher.close();
peer.close();
await openSendingPeer({
  transport: (await join()).sendTransport,
  sections: [{ mid: '0', kind: 'audio', codec: 'opus/48000/2', payloadType: 111, ssrc: 1 }],
  connect: () => Promise.reject(new Error('refused')),
}).catch(() => {});
await engine.close();
process.send?.('closed');
process.disconnect?.();
