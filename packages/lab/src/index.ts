export * from './browser/index.ts';
export { createRoom, enterAsGuest, post } from './light/api.ts';
export { type LightJoinOptions, LightParticipant } from './light/signalling-client.ts';
export * from './local-cluster/index.ts';
