export { effectiveLoad, isAvailable, loadPenaltyMs } from './candidates.ts';
export { estimatedRttMs } from './delay.ts';
export { distanceKm } from './geo.ts';
export { type Ranking, rankCandidates } from './rank.ts';
export { type Selection, type SelectionInput, selectNode } from './select.ts';
export * as tuning from './tuning.ts';
