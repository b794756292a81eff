/**
 * A node in somebody's own process, put together from parts that he holds: clock, media engine, cluster, sockets. For
 * tests of many nodes at once; services start a node by `startSfuNode`.
 */
export { SigningKeys } from '../auth/signing-keys.ts';
export { type NodeConfig, settings } from '../config.ts';
export { createLogger } from '../logger.ts';
export { NodeMetrics } from '../metrics/node-metrics.ts';
export { createNode, type SfuNodeCore } from '../node.ts';
export { recordOf } from '../start.ts';
export { ManualClock } from './manual-clock.ts';
export { type SocketClient, SocketPair } from './socket-pair.ts';
export { TokenForge } from './token-forge.ts';
