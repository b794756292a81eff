import { z } from 'zod';
import { NodeId, Region } from './ids.ts';

/** WGS 84, degrees. */
export const Coordinates = z.object({
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
});
export type Coordinates = z.infer<typeof Coordinates>;

export const NodeState = z.enum(['ready', 'draining']);
export type NodeState = z.infer<typeof NodeState>;

export const NodeLoad = z.object({
  sessions: z.int().nonnegative(),
  /** Sessions the node is meant to carry; full at this number. */
  maxSessions: z.int().positive(),
  consumers: z.int().nonnegative(),
  workers: z.int().nonnegative(),
  rooms: z.int().nonnegative(),
  /** Of the busiest worker, 0 to 1 of one core. */
  workerCpu: z.number().min(0).max(1),
});
export type NodeLoad = z.infer<typeof NodeLoad>;

/** How far a drain has come. */
export const DrainProgress = z.object({
  startedAtMs: z.int().nonnegative(),
  /** Who is left then is told to rejoin. */
  deadlineAtMs: z.int().nonnegative(),
  /** Sessions when it began. */
  sessions: z.int().nonnegative(),
  /** Asked to move so far. */
  asked: z.int().nonnegative(),
  /** Moved without a gap. */
  moved: z.int().nonnegative(),
  /** Still here. */
  left: z.int().nonnegative(),
  /** Told to rejoin, since the time was over or nobody else could take them. */
  told: z.int().nonnegative(),
});
export type DrainProgress = z.infer<typeof DrainProgress>;

/** A node as it announces itself; lives in Redis under an expiring key. */
export const NodeRecord = z.object({
  nodeId: NodeId,
  /** New at every start of the process: tells a restarted node from its former self. */
  incarnation: z.string().min(8).max(64),
  region: Region,
  regionName: z.string().max(64),
  coordinates: Coordinates,
  /** WebSocket address for clients, such as `wss://eu1.example.org/ws`. */
  wsUrl: z.string().max(256),
  /** HTTP address for the RTT probe, such as `https://eu1.example.org/probe`. */
  probeUrl: z.string().max(256),
  version: z.string().max(64),
  state: NodeState,
  load: NodeLoad,
  /** Only while it drains. */
  drain: DrainProgress.optional(),
  startedAtMs: z.int().nonnegative(),
  /** What its machine's clock lacks to be that of Redis, milliseconds; tokens go by the latter. */
  clockOffsetMs: z.int().optional(),
});
export type NodeRecord = z.infer<typeof NodeRecord>;

/** A live node together with what is on its way to it. */
export const NodeView = z.object({
  record: NodeRecord,
  /** Sessions assigned to it that have not attached yet. */
  reserved: z.int().nonnegative(),
});
export type NodeView = z.infer<typeof NodeView>;
