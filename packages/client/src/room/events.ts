import type {
  ChatMessage,
  EndReason,
  MediaSource,
  NodeId,
  NotificationData,
  Participant,
  ProducerInfo,
  Region,
} from '@meridian/protocol';
import type { SdkError } from '../errors.ts';
import type { DataMessage, RemoteTrack } from '../media/receiver.ts';
import type { ActiveSpeakers } from './attachment.ts';
import type { EndKind } from './ending.ts';

/** How a room came to its end; `error` says more where it was not one's own leaving. */
export interface RoomEnd {
  readonly kind: EndKind;
  readonly error: SdkError | null;
}

/** A room reports facts; what holds now is read from its getters. */
export interface RoomEvents {
  /** Something that the getters show has changed. Sent once per batch of changes. */
  'changed': undefined;
  'participant-joined': Participant;
  'participant-updated': Participant;
  'participant-left': { readonly participant: Participant; readonly reason: EndReason };
  /** Somebody began to publish, muted or unmuted, or ended it. */
  'producer-opened': ProducerInfo;
  'producer-updated': ProducerInfo;
  'producer-closed': ProducerInfo;
  /** The same source of the same person is published anew: over another node, or after a reconnect. */
  'producer-replaced': { readonly before: ProducerInfo; readonly producer: ProducerInfo };
  /** Somebody's source is to be seen or heard from now on. */
  'track-added': RemoteTrack;
  /**
   * The same source comes over another track from now on, which flows already: show it in the place of the one before
   * (`TrackPlayer` does that without a gap). The track before may go on for a moment.
   */
  'track-replaced': { readonly before: RemoteTrack; readonly after: RemoteTrack };
  'track-removed': RemoteTrack;
  'active-speakers': ActiveSpeakers;
  /** A line of somebody, oneself included. */
  'chat': ChatMessage;
  'data': DataMessage;
  /** A device was unplugged, or sharing was stopped in the browser's own bar. */
  'local-track-ended': { readonly source: MediaSource };
  /** The connection was lost and goes on; media and publications were not touched. */
  'resumed': { readonly afterMs: number };
  /** We are at another node now, since the one before is about to stop. Nobody has seen a gap. */
  'moved': { readonly nodeId: NodeId; readonly region: Region; readonly afterMs: number };
  /** A loss that lasts. `attempt` counts from 0; the attempt is made after `delayMs`. */
  'reconnecting': { readonly attempt: number; readonly delayMs: number; readonly cause: SdkError };
  'reconnected': { readonly nodeId: NodeId; readonly region: Region; readonly afterMs: number };
  'relay-trouble': NotificationData<'relay-trouble'>;
  /** Something failed that the call survives. */
  'trouble': SdkError;
  /** The last event. */
  'ended': RoomEnd;
}
