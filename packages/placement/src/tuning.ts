/**
 * Every number that placement weighs, with the reason for its size. Round trip times in
 * milliseconds, distances in kilometres, loads as a share of `maxSessions`.
 */

/**
 * Round trip over the open internet, estimated from the great-circle distance:
 * `ESTIMATE_BASE_MS + ESTIMATE_MS_PER_KM * km`. Light in fibre needs 0.010 ms per kilometre there and
 * back; cables are about 1.6 times as long as the great circle. Against round trips people report:
 * Amsterdam-Singapore 176 (181), Singapore-Kuala Lumpur 13 (10), Singapore-Hong Kong 49 (40),
 * Ho Chi Minh City-Singapore 25 (30-50), Ho Chi Minh City-Hong Kong 32 (26).
 */
export const ESTIMATE_BASE_MS = 8;
export const ESTIMATE_MS_PER_KM = 0.016;

/** What an estimate is off by for the pairs above: a measured node wins unless the estimate is better by more. */
export const ESTIMATE_MARGIN_MS = 10;

/**
 * Nodes whose delays differ by no more than this count as equally near, and load decides. Twice the
 * jitter of a good regional path (5 ms): what the next measurement may well turn round.
 */
export const EQUALLY_NEAR_MS = 10;

/**
 * A node that hosts the room already is preferred while it costs at most this much more than the
 * nearest node (the larger of the two). It spares a relay leg, and neighbouring regions are 10 to
 * 40 ms apart, so up to 20 ms of detour is paid back by the leg that is not there; on long paths a
 * quarter is the margin by which another node has to be nearer before leaving the room's node pays.
 */
export const HOSTING_DETOUR_MS = 20;
export const HOSTING_DETOUR_SHARE = 0.25;

/**
 * From this load on a node is made to look farther, up to `FULL_PENALTY_MS` when full: newcomers
 * go one region on (Singapore-Hong Kong: 40 ms) before a node has to turn people away.
 */
export const BUSY_LOAD = 0.8;
export const FULL_PENALTY_MS = 40;

/** Regions that a client is asked to measure when its place is known, and when it is not. */
export const PROBES_LOCATED = 5;
export const PROBES_UNLOCATED = 8;
