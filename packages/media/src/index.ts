export { MEDIA_CODECS } from './codecs.ts';
export type { EngineDump, RouterDump, WorkerDump } from './dump.ts';
export { createMediaEngine, type MediasoupEngine } from './engine.ts';
export { logMediasoup } from './log.ts';
export type { MediaClock, MediaEngineOptions, MediaLogger } from './options.ts';
export * from './ports.ts';
