export { FakeMediaEngine } from './engine.ts';
export type { FakeParticipant } from './participant.ts';
export type { FakeRelayEnd } from './relay-end.ts';
export type { FakeRoom } from './room.ts';
