import { z } from 'zod';
import { LinkSettings } from '../../wan/model/settings.ts';
import { Counters } from '../../wan/spec.ts';
import { Scenario } from '../scenario/schema.ts';

/**
 * The raw data of an experiment. One run is one arm of a scenario, played once; a block is one run of every arm, so runs of
 * one block are comparable in pairs. A run is a file of JSON lines: first its header, then what was measured as it
 * came, last the `end`. Whoever evaluates an experiment reads these files alone; nothing is computed before it is written
 * but what would need the video itself (latency of single frames, picture quality).
 *
 * All times `...Ms` are milliseconds after the run's origin, `header.startedAt`, by the clock of the recording
 * process. Pages have clocks of their own; their distance is measured (`clock`) and taken out before writing.
 */
export const RECORD_VERSION = 1;

const time = z.number();
const name = z.string().min(1);

/** The links a kind of traffic passes, in order, there and back. */
export const Route = z.strictObject({
  kind: z.enum(['media', 'signalling', 'service', 'relay']),
  from: name,
  to: name,
  up: z.array(name).readonly(),
  down: z.array(name).readonly(),
});
export type Route = z.output<typeof Route>;

const Machine = z.strictObject({
  os: z.string(),
  cpu: z.string(),
  cores: z.int(),
  memoryBytes: z.number(),
});

export const Header = z.strictObject({
  type: z.literal('header'),
  version: z.literal(RECORD_VERSION),
  /** Of the experiment the run belongs to. */
  experiment: name,
  scenario: Scenario,
  arm: name,
  /** Number of the block, from 0. */
  block: z.int().min(0),
  /** Place of the run within its block, from 0: arms are interleaved. */
  order: z.int().min(0),
  /** What all randomness of the links came from. */
  seed: z.int().min(0),
  startedAt: z.iso.datetime(),
  /** All links by name, with profiles filled in. */
  links: z.record(name, LinkSettings),
  routes: z.array(Route).readonly(),
  versions: z.record(z.string(), z.string()),
  /** Where the recorder ran, and clients that are not named below. */
  machine: Machine,
  /** Of a run on real servers: then `links` and `routes` are empty, since nobody knows what lies between. */
  real: z
    .strictObject({
      /** Of the session service. */
      url: z.string(),
      /** The scenario's nodes -> ids of the nodes that stood for them. */
      nodes: z.record(name, name),
      /** Clients on machines of their own. */
      hosts: z.record(name, Machine),
    })
    .optional(),
});
export type Header = z.output<typeof Header>;

/**
 * joined, visible (first frame of everybody has been shown here), receiving (a light peer has packets of every stream), reconnecting, reconnected, trouble, ended: of one client.
 * measuring: warm-up is over, schedules of links begin. measured: end of the measured time.
 */
export const Mark = z.strictObject({
  type: z.literal('mark'),
  atMs: time,
  what: z.enum([
    'joining',
    'joined',
    'visible',
    'receiving',
    'reconnecting',
    'reconnected',
    'trouble',
    'ended',
    'measuring',
    'measured',
  ]),
  client: name.optional(),
  /** Code of an error; steps of a join. */
  detail: z.string().optional(),
});
export type Mark = z.output<typeof Mark>;

/** How far a page's clock is ahead of the run's, and how exactly that is known (half the round trip of asking). */
export const Clock = z.strictObject({
  type: z.literal('clock'),
  atMs: time,
  client: name,
  offsetMs: z.number(),
  uncertaintyMs: z.number(),
});
export type Clock = z.output<typeof Clock>;

/** Frames handed to the encoder: `[frame id, drawnMs]`. */
export const SentFrames = z.strictObject({
  type: z.literal('sent'),
  sender: name,
  rows: z.array(z.tuple([z.int(), time])).readonly(),
});
export type SentFrames = z.output<typeof SentFrames>;

/**
 * Frames shown to a receiver, one row each:
 * `[frame id, drawnMs, shownMs, receivedMs, decodeMs, width, height]`. `drawnMs`: the sender's page drew it. `shownMs`: the
 * receiver's page handed it to the compositor. `receivedMs`: its last packet was there; null where the browser does not
 * say. `decodeMs`: time from handing it to the decoder until it was decoded. Frames whose time code could not be read
 * are counted in `unread`.
 */
export const FrameRow = z.tuple([z.int(), time, time, time.nullable(), z.number().nullable(), z.int(), z.int()]);
export type FrameRow = z.output<typeof FrameRow>;
export const Frames = z.strictObject({
  type: z.literal('frames'),
  receiver: name,
  sender: name,
  rows: z.array(FrameRow).readonly(),
  /** Shown frames without a readable time code since the line before. */
  unread: z.int().min(0),
});
export type Frames = z.output<typeof Frames>;

/** Ticks of sound: `[number of the tick, playedMs, heardMs]`. */
export const Ticks = z.strictObject({
  type: z.literal('ticks'),
  receiver: name,
  sender: name,
  rows: z.array(z.tuple([z.int(), time, time])).readonly(),
});
export type Ticks = z.output<typeof Ticks>;

/** A report of getStats as the browser gave it; see `measure/reports.ts` for the fields that are kept. */
export const StatsReport = z.looseObject({ id: z.string(), type: z.string() });
export type StatsReport = z.output<typeof StatsReport>;

/** getStats of one client, once a second. Incoming streams carry the client they come from as `sender`. */
export const ClientStats = z.strictObject({
  type: z.literal('stats'),
  atMs: time,
  client: name,
  reports: z.array(StatsReport).readonly(),
});
export type ClientStats = z.output<typeof ClientStats>;

const figure = z.number().nullable();
const leg = z.strictObject({ rttMs: figure, lossFraction: figure, jitterMs: figure, bitrate: figure });
/** What the node of a client says of its legs and of the relays behind it, once a second: the nodes' own figures. */
export const NodeStats = z.strictObject({
  type: z.literal('node-stats'),
  atMs: time,
  client: name,
  node: name,
  up: leg,
  down: leg,
  availableOutgoingBitrate: figure,
  relays: z.array(z.strictObject({ node: name, rttMs: figure, lossFraction: figure })).readonly(),
});
export type NodeStats = z.output<typeof NodeStats>;

export const Sample = z.tuple([name, z.record(z.string(), z.string()), z.number()]);
export type Sample = z.output<typeof Sample>;
/**
 * A node's /metrics: `[name, labels, value]`. Series that have not changed since the scrape of this node before are left
 * out (`series.ts` puts them back).
 */
export const Scrape = z.strictObject({
  type: z.literal('scrape'),
  atMs: time,
  node: name,
  /** From `atMs`, when it was asked for, until it was there. */
  tookMs: z.number(),
  samples: z.array(Sample).readonly(),
});
export type Scrape = z.output<typeof Scrape>;

/** Counters of every link since the emulator was started. */
export const LinkCounts = z.strictObject({ type: z.literal('links'), atMs: time, links: z.record(name, Counters) });
export type LinkCounts = z.output<typeof LinkCounts>;

/** The machine since the line before. CPU: 1 is one core. */
export const MachineLoad = z.strictObject({
  type: z.literal('machine'),
  atMs: time,
  overMs: z.number().positive(),
  /** The client whose machine it is; without one the recorder's. */
  host: name.optional(),
  /** Cores in use by anything; of `header.machine.cores`. */
  busyCores: z.number(),
  /** Cores a hypervisor gave to others (steal). */
  stolenCores: z.number(),
  /** Share of the time in which some thread waited for a CPU (/proc/pressure/cpu); null where the kernel does not tell. */
  waiting: z.number().nullable(),
  processes: z.array(z.strictObject({ name, cores: z.number(), rssBytes: z.number() })).readonly(),
});
export type MachineLoad = z.output<typeof MachineLoad>;

/** Received against sent picture of one frame; the received one is scaled to the sent one's size. */
export const FrameQuality = z.strictObject({
  type: z.literal('quality'),
  sender: name,
  receiver: name,
  frame: z.int(),
  width: z.int(),
  height: z.int(),
  /** Luma, dB; null: identical. */
  psnrDb: z.number().nullable(),
  /** Luma, 0 to 1. */
  ssim: z.number(),
  /** 0 to 100; null where ffmpeg was built without libvmaf. */
  vmaf: z.number().nullable(),
});
export type FrameQuality = z.output<typeof FrameQuality>;

/** Two measurements of the same thing. */
export const CrossCheck = z.strictObject({
  what: name,
  unit: z.string(),
  clients: z.number(),
  servers: z.number(),
  /** Difference over the clients' figure that is accepted. */
  tolerance: z.number(),
  agrees: z.boolean(),
});
export type CrossCheck = z.output<typeof CrossCheck>;

export const End = z.strictObject({
  type: z.literal('end'),
  atMs: time,
  /** complete: everything asked for was measured; interrupted: stopped early by the person; failed: see `reason`. */
  outcome: z.enum(['complete', 'interrupted', 'failed']),
  reason: z.string().optional(),
  /** Whether its figures may be used, and every reason why not. */
  valid: z.boolean(),
  invalidBecause: z.array(z.string()).readonly(),
  crossChecks: z.array(CrossCheck).readonly(),
});
export type End = z.output<typeof End>;

export const RecordLine = z.discriminatedUnion('type', [
  Header,
  Mark,
  Clock,
  SentFrames,
  Frames,
  Ticks,
  ClientStats,
  NodeStats,
  Scrape,
  LinkCounts,
  MachineLoad,
  FrameQuality,
  End,
]);
export type RecordLine = z.output<typeof RecordLine>;
export type LineOf<T extends RecordLine['type']> = Extract<RecordLine, { type: T }>;
