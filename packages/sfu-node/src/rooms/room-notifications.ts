import { assertNever, type RoomEvent } from '@meridian/protocol';
import { type EncodedNotification, encodeNotification } from '../signalling/outbox.ts';

/** What participants are told of a change; undefined where they hear of it in another way. */
export function notificationOf(change: RoomEvent): EncodedNotification | undefined {
  switch (change.type) {
    case 'participant-joined':
      return encodeNotification(change.type, { participant: change.participant });
    case 'participant-left':
      return encodeNotification(change.type, { sessionId: change.sessionId, reason: change.reason });
    case 'participant-updated':
      return encodeNotification(change.type, { participant: change.participant });
    case 'producer-opened':
      return encodeNotification(change.type, { producer: change.producer });
    case 'producer-updated':
      return encodeNotification(change.type, { producerId: change.producerId, paused: change.paused });
    case 'producer-closed':
      return encodeNotification(change.type, { producerId: change.producerId, sessionId: change.sessionId });
    case 'data-producer-opened':
      return encodeNotification(change.type, { dataProducer: change.dataProducer });
    case 'data-producer-closed':
      return encodeNotification(change.type, { dataProducerId: change.dataProducerId, sessionId: change.sessionId });
    case 'room-ended':
      return undefined;
    default:
      return assertNever(change);
  }
}
