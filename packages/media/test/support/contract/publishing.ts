import { type DataProducerId, type ProducerId, TransportId } from '@meridian/protocol';
import type { ParticipantMedia } from '../../../src/index.ts';
import { opusParameters, vp8Parameters } from '../rtp.ts';

export const sendOf = (participant: ParticipantMedia) => TransportId.parse(participant.sendTransport.id);

let ssrc = 1;

export const publishAudio = (participant: ParticipantMedia, paused = false): Promise<ProducerId> =>
  participant.produce({
    transportId: sendOf(participant),
    kind: 'audio',
    source: 'microphone',
    rtpParameters: opusParameters(ssrc++),
    paused,
  });

export const publishVideo = (participant: ParticipantMedia): Promise<ProducerId> => {
  // One for the media, one for what is sent again.
  ssrc += 2;
  return participant.produce({
    transportId: sendOf(participant),
    kind: 'video',
    source: 'camera',
    rtpParameters: vp8Parameters(ssrc - 2),
    paused: false,
  });
};

export const publishData = (participant: ParticipantMedia, streamId = 1): Promise<DataProducerId> =>
  participant.produceData({
    transportId: sendOf(participant),
    label: 'reactions',
    protocol: 'v1',
    sctpStreamParameters: { streamId, ordered: false, maxRetransmits: 2 },
  });

/** Everything a participant tells, in order. */
export const listen = (participant: ParticipantMedia): unknown[] => {
  const told: unknown[] = [];
  const events = [
    'producer-closed',
    'consumer-closed',
    'consumer-updated',
    'data-producer-closed',
    'data-consumer-closed',
  ] as const;
  for (const event of events) participant.on(event, (details) => told.push([event, details]));
  participant.on('closed', () => told.push('closed'));
  return told;
};
