import type { Cluster, OpenClusterOptions } from './api.ts';

/** Connects to Redis. @throws MeridianError `cluster-unavailable`, `config-invalid` */
export declare function openCluster(options: OpenClusterOptions): Promise<Cluster>;
