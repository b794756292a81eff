import { ErrorCode } from '@meridian/protocol';
import { z } from 'zod';
import { LinkChange, LinkSettings } from './model/settings.ts';

/** Everything that crosses between whoever runs an experiment and the emulator's thread. */

const port = z.int().min(1).max(65_535);
const address = z.strictObject({ host: z.string().default('127.0.0.1'), port });
/** Names of links in the order in which packets meet them. */
const route = z.array(z.string()).readonly();

/** The links of an emulator by name, and the seed all their randomness comes from. */
export const EmulatorPlan = z.strictObject({ seed: z.int().min(0), links: z.record(z.string(), LinkSettings) });
export type EmulatorPlan = z.output<typeof EmulatorPlan>;
export type EmulatorPlanInput = z.input<typeof EmulatorPlan>;

export const UdpSpec = z.strictObject({
  target: address,
  up: route,
  down: route,
  maxClients: z.int().min(1).max(10_000).optional(),
  /** Keep a trace of each datagram in both directions; for validation. */
  trace: z.boolean().default(false),
});
export type UdpSpec = z.input<typeof UdpSpec>;

export const TcpSpec = z.strictObject({ target: address, up: route, down: route });
export type TcpSpec = z.input<typeof TcpSpec>;

export const MeshSpec = z.strictObject({
  members: z.array(z.strictObject({ name: z.string(), realHost: z.string(), faceHost: z.string() })).min(2),
  ports: z.strictObject({ min: port, max: port }),
  /** The way from one member to another; a pair that is not named has no links between. */
  routes: z.array(z.strictObject({ from: z.string(), to: z.string(), links: route })),
});
export type MeshSpec = z.input<typeof MeshSpec>;

export const Opened = z.strictObject({ id: z.int(), host: z.string(), port: z.int() });
export type Opened = z.output<typeof Opened>;

export const Counters = z.strictObject({
  offered: z.int(),
  delivered: z.int(),
  deliveredBytes: z.int(),
  lost: z.int(),
  queueDrops: z.int(),
  outageDrops: z.int(),
});
export const LinkReports = z.record(z.string(), Counters);
export type LinkReports = z.output<typeof LinkReports>;

const traced = z.strictObject({
  rows: z.instanceof(Float64Array),
  drops: z.array(z.strictObject({ tag: z.int(), reason: z.enum(['loss', 'queue', 'outage']) })),
});
export const Trace = z.strictObject({ up: traced, down: traced });
export type Trace = z.output<typeof Trace>;

export const Request = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('udp'), spec: UdpSpec }),
  z.strictObject({ op: z.literal('tcp'), spec: TcpSpec }),
  z.strictObject({ op: z.literal('mesh'), spec: MeshSpec }),
  z.strictObject({ op: z.literal('close'), id: z.int() }),
  z.strictObject({ op: z.literal('start-schedules') }),
  z.strictObject({ op: z.literal('change'), link: z.string(), change: LinkChange }),
  z.strictObject({ op: z.literal('report') }),
  z.strictObject({ op: z.literal('trace'), id: z.int() }),
]);
export type Request = z.input<typeof Request>;
export const RequestMessage = z.strictObject({ id: z.int(), request: Request });
export const ReplyMessage = z.strictObject({
  id: z.int(),
  result: z.unknown().optional(),
  error: z.strictObject({ code: ErrorCode, message: z.string() }).optional(),
});
