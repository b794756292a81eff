export {
  type ConnectServer,
  openReceivingPeer,
  openSendingPeer,
  type ReceivingPeer,
  type SendingPeer,
} from './peer.ts';
export { holdsPli, isVp8KeyFrame, rtpPacket, rtpPayload, rtpSequence, vp8Payload } from './rtp.ts';
export type { MediaSection, ServerTransport } from './sdp.ts';
