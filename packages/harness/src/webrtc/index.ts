export {
  type ConnectServer,
  openReceivingPeer,
  openSendingPeer,
  type ReceivingPeer,
  type SendingPeer,
} from './peer.ts';
export type { MediaSection, ServerTransport } from './sdp.ts';
