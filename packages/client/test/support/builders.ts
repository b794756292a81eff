import { ChatMessage, Participant, ProducerInfo } from '@meridian/protocol';

export const participant = (sessionId: string, more: Record<string, unknown> = {}): Participant =>
  Participant.parse({
    sessionId,
    userId: `user-${sessionId}`,
    name: sessionId,
    nodeId: 'ams-1',
    region: 'ams',
    epoch: 1,
    joinedAtMs: 1_000,
    connection: 'connected',
    ...more,
  });

export const producer = (producerId: string, sessionId: string, more: Record<string, unknown> = {}): ProducerInfo =>
  ProducerInfo.parse({
    producerId,
    sessionId,
    nodeId: 'ams-1',
    kind: 'video',
    source: 'camera',
    paused: false,
    ...more,
  });

export const chatLine = (id: string, sentAtMs: number, more: Record<string, unknown> = {}): ChatMessage =>
  ChatMessage.parse({
    id,
    roomId: 'room-1',
    sessionId: 's-other',
    userId: 'user-2',
    name: 'Binh',
    text: `line ${id}`,
    sentAtMs,
    ...more,
  });
