export type * from './api.ts';
export type { openCluster } from './cluster.ts';
export * from './ports.ts';
