export type * from './api.ts';
export { openCluster } from './cluster.ts';
export { CommandCounter } from './counter.ts';
export type * from './ports.ts';
