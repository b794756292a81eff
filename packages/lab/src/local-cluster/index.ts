export type { ServiceChild } from './child.ts';
export { LocalCluster, type LocalClusterOptions, type LocalNode } from './local-cluster.ts';
export { LOCAL_REGIONS, type LocalRegion } from './regions.ts';
