import { opusParameters } from './rtp.ts';
import type { Joined } from './test-cluster.ts';

/** What a client asks for that publishes a microphone. */
export const microphone = (who: Joined) => ({
  transportId: who.joined.sendTransport.id,
  kind: 'audio' as const,
  source: 'microphone' as const,
  rtpParameters: opusParameters(),
});

export const publish = (who: Joined) => who.client.request('publish', microphone(who));
