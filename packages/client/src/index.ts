/**
 * Meridian in a browser: `join` a room by its address, publish, receive, chat. No user interface.
 *
 * ```ts
 * const room = await join('https://meet.example.org/r/weekly', { name: 'Anna' });
 * room.on('track-added', ({ kind, track }) => show(kind, track));
 * await room.publish('camera', await openCamera());
 * ```
 */
export { MeridianApi, type MeridianApiOptions } from './api/meridian-api.ts';
export type { ContextOptions } from './context.ts';
export {
  CLIENT_ERRORS,
  ClientError,
  type ClientErrorCode,
  isSdkError,
  type SdkError,
  type SdkErrorCode,
  toSdkError,
} from './errors.ts';
export type { UserTokenSource } from './identity.ts';
export { type JoinOptions, join, type TrackToPublish } from './join.ts';
export {
  type CameraOptions,
  type DeviceInfo,
  listDevices,
  type MicrophoneOptions,
  onDevicesChanged,
  openCamera,
  openMicrophone,
  openScreen,
} from './media/devices.ts';
export { isVideoCodec, VIDEO_CODECS, type VideoCodec } from './media/encodings.ts';
export type { Shown } from './media/layers.ts';
export type { DataMessage, RemoteTrack } from './media/receiver.ts';
export { AudioPlayer, type AudioPlayerOptions, VideoPlayer, type VideoPlayerOptions } from './media/track-player.ts';
export { discover, type Preparation, prepare, type Surroundings } from './prepare.ts';
export type { MeasuredRtt } from './probing.ts';
export type { ActiveSpeakers } from './room/attachment.ts';
export type { RoomChat } from './room/chat.ts';
export type { EndKind } from './room/ending.ts';
export type { RoomEnd, RoomEvents } from './room/events.ts';
export type { LocalPublication, PublishOptions } from './room/publications.ts';
export type { Room, RoomPhase, Whereabouts } from './room/room.ts';
export type { JoinMark, JoinStep, JoinTimings, StepTiming } from './room/timings.ts';
export { parseRoomInput, parseRoomUrl, type RoomAddress } from './room-url.ts';
export { browserRuntime, type Runtime, type Socket, type SocketClosed, type SocketEvents } from './runtime.ts';
export { type PathFigures, POOR, type Quality, qualityOf } from './stats/quality.ts';
export type { LegFigures, PersonFigures, RoomStats, TrackFigures } from './stats/sampler.ts';
export { type KeyValueStore, memoryStore, tabStore } from './storage.ts';
