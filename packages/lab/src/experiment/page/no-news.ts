import type { PageNews } from './contract.ts';

/** What a client has to tell before anything has happened. */
export const noNews = (): PageNews => ({
  marks: [],
  sent: [],
  shown: [],
  unread: {},
  played: [],
  heard: [],
  stats: [],
  node: [],
});
