import { Coordinates, NodeId, Region } from '@meridian/protocol';
import { z } from 'zod';
import { LinkSettings } from '../../wan/model/settings.ts';
import { lightProblems } from './light.ts';

const sentence = z.string().min(1).max(500);
/** Of nodes, clients, arms: they become parts of names of links and files. */
const Name = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower case words joined by hyphens');

/** Settings written down in the scenario itself; `forward` is from the first end to the second. */
const Inline = z
  .strictObject({
    name: Name,
    both: LinkSettings.optional(),
    forward: LinkSettings.optional(),
    backward: LinkSettings.optional(),
  })
  .refine((hop) => (hop.both === undefined) !== (hop.forward === undefined && hop.backward === undefined), {
    message: 'needs either "both" or "forward" and/or "backward"',
  });

/**
 * One link of a path: a profile by its name, the same the other way round, or settings of its own. In a path from A to
 * B a profile's first end is A; `reversed` puts its second end there.
 */
export const Hop = z.union([
  z.string().min(1),
  z.strictObject({ profile: z.string().min(1), reversed: z.boolean().default(false) }),
  Inline,
]);
export type Hop = z.output<typeof Hop>;

const Path = z.strictObject({
  /** A client and a node, or two nodes. */
  between: z.tuple([Name, Name]),
  /** Links in order from the first to the second; a client's last mile comes before by itself. */
  over: z.array(Hop).readonly(),
});
export type Path = z.output<typeof Path>;

const Node = z.strictObject({
  region: Region,
  /** As people read it, such as Singapore. */
  place: sentence,
  at: Coordinates,
});
export type ScenarioNode = z.output<typeof Node>;

export const VideoSent = z.strictObject({
  /** Of the camera, pixels; even, and wide enough for the time code. */
  width: z.int().min(160).max(3_840).multipleOf(2),
  height: z.int().min(90).max(2_160).multipleOf(2),
  fps: z.int().min(1).max(60),
  codec: z.enum(['vp8', 'vp9', 'av1', 'h264']).default('vp8'),
  /** In as many layers as the SDK finds the picture worth; false: one. */
  simulcast: z.boolean().default(true),
});
export type VideoSent = z.output<typeof VideoSent>;

export const Sent = z.strictObject({
  video: VideoSent.nullable().default(null),
  audio: z.boolean().default(true),
});
export type Sent = z.output<typeof Sent>;

/** page: a real browser with the real SDK. light: a WebRTC peer without one, which fills the room. */
export const ClientKind = z.enum(['page', 'light']);
export type ClientKind = z.output<typeof ClientKind>;

const Client = z.strictObject({
  place: sentence,
  kind: ClientKind.default('page'),
  /** Links every path of this client begins with, from the client outwards; all its traffic shares them. */
  lastMile: z.array(Hop).readonly().default([]),
  /** What this one sends; default: the scenario's `sends`. */
  sends: Sent.optional(),
});
export type ScenarioClient = z.output<typeof Client>;

const Arm = z.strictObject({
  name: Name,
  title: sentence,
  /** Which node each client is attached to. */
  at: z.record(Name, Name),
  /** Links added in this arm only, in series, at the far end of a path or of a client's last mile. */
  extra: z
    .array(
      z.union([
        z.strictObject({ between: z.tuple([Name, Name]), over: z.array(Hop).min(1) }),
        z.strictObject({ lastMile: Name, over: z.array(Hop).min(1) }),
      ]),
    )
    .readonly()
    .default([]),
  /** What this arm ought to differ by from another one, where that is known: how the lab checks itself. */
  expects: z
    .array(
      z
        .strictObject({
          /** Name of a figure of the report, such as latency. */
          figure: Name,
          /** The arm it is compared with; default: the reference, which is the first. */
          than: Name.optional(),
          difference: z.number().optional(),
          ratio: z.number().positive().optional(),
          /** Accepted distance: in the figure's unit, or of the ratio. */
          within: z.number().nonnegative(),
        })
        .refine(({ difference, ratio }) => (difference === undefined) !== (ratio === undefined), {
          message: 'needs either "difference" or "ratio"',
        }),
    )
    .readonly()
    .default([]),
});
export type Arm = z.output<typeof Arm>;

const fields = z.strictObject({
  name: Name,
  title: sentence,
  description: z.string().min(1).max(4_000),
  nodes: z.record(Name, Node),
  clients: z.record(Name, Client),
  paths: z.array(Path).readonly(),
  /** Node that the session service stands beside; clients reach it as they reach that node. */
  service: Name,
  sends: Sent,
  arms: z.array(Arm).min(1).max(26).readonly(),
  /**
   * Seconds from the moment everybody sees everybody until measuring begins. Bandwidth estimates settle within ten; Chromium takes
   * half a minute to hold the picture back until it is in step with the sound.
   */
  warmUpS: z.number().min(0).max(600).default(30),
  /** Seconds that are measured of each run. Schedules of links start when measuring begins. */
  lengthS: z.number().min(1).max(3_600).default(30),
  /** Blocks; in each of them every arm is run once. */
  repeats: z.int().min(1).max(1_000).default(10),
});

const pairOf = (a: string, b: string): string => [a, b].sort().join(' and ');

/** An experiment as a file describes it: who is where, what lies between, what is sent, what is compared. */
export const Scenario = fields.superRefine((scenario, context) => {
  const problem = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message });
  for (const { code, path, message } of lightProblems(scenario)) {
    context.addIssue({ code: 'custom', path: [...path], message: `${message} [${code}]`, params: { code } });
  }
  const nodes = new Set(Object.keys(scenario.nodes));
  const clients = new Set(Object.keys(scenario.clients));
  const list = (names: Set<string>) => [...names].join(', ');
  if (nodes.size === 0) problem(['nodes'], 'must name at least one node');
  if (clients.size < 2) problem(['clients'], 'must name at least two clients');
  for (const name of clients) if (nodes.has(name)) problem(['clients', name], 'is the name of a node, too');
  for (const name of nodes) if (!NodeId.safeParse(name).success) problem(['nodes', name], 'is no possible node id');
  if (!nodes.has(scenario.service)) problem(['service'], `is none of the nodes ${list(nodes)}`);
  const regions = Object.values(scenario.nodes).map((node) => node.region);
  for (const [name, { region }] of Object.entries(scenario.nodes)) {
    if (regions.indexOf(region) !== regions.lastIndexOf(region)) {
      problem(['nodes', name, 'region'], `${region} is used twice: arms are forced by region`);
    }
  }
  const paths = new Set<string>();
  for (const [index, { between }] of scenario.paths.entries()) {
    for (const [end, name] of between.entries()) {
      if (!nodes.has(name) && !clients.has(name)) problem(['paths', index, 'between', end], `there is no ${name}`);
    }
    const [a, b] = between;
    if (a === b || (clients.has(a) && clients.has(b))) {
      problem(['paths', index, 'between'], 'must be a client and a node, or two nodes');
    }
    if (paths.has(pairOf(a, b)))
      problem(['paths', index, 'between'], `there is a path between ${pairOf(a, b)} already`);
    paths.add(pairOf(a, b));
  }
  const armNames = scenario.arms.map((arm) => arm.name);
  for (const [index, arm] of scenario.arms.entries()) {
    const at = (...path: (string | number)[]) => ['arms', index, ...path];
    if (armNames.indexOf(arm.name) !== index) problem(at('name'), `there is an arm ${arm.name} already`);
    for (const client of clients) {
      const node = arm.at[client];
      if (node === undefined) problem(at('at'), `does not say where ${client} is attached`);
      else if (!nodes.has(node)) problem(at('at', client), `${node} is none of the nodes ${list(nodes)}`);
      else {
        for (const reached of new Set([node, scenario.service])) {
          if (nodes.has(reached) && !paths.has(pairOf(client, reached))) {
            problem(at('at', client), `there is no path between ${client} and ${reached}`);
          }
        }
      }
    }
    for (const name of Object.keys(arm.at))
      if (!clients.has(name)) problem(at('at', name), `there is no client ${name}`);
    const used = [...new Set(Object.values(arm.at))].filter((name) => nodes.has(name));
    for (const [first, one] of used.entries()) {
      for (const other of used.slice(first + 1)) {
        if (!paths.has(pairOf(one, other))) problem(at('at'), `needs a path between the nodes ${pairOf(one, other)}`);
      }
    }
    for (const [expected, { than }] of arm.expects.entries()) {
      if (than === arm.name) problem(at('expects', expected, 'than'), 'is the arm itself');
      else if (than !== undefined && !armNames.includes(than)) {
        problem(at('expects', expected, 'than'), `there is no arm ${than}`);
      }
    }
    for (const [extra, added] of arm.extra.entries()) {
      if ('lastMile' in added) {
        if (!clients.has(added.lastMile))
          problem(at('extra', extra, 'lastMile'), `there is no client ${added.lastMile}`);
      } else if (!paths.has(pairOf(...added.between))) {
        problem(at('extra', extra, 'between'), `there is no path between ${pairOf(...added.between)}`);
      }
    }
  }
});
export type Scenario = z.output<typeof Scenario>;
export type ScenarioInput = z.input<typeof Scenario>;

/** Clients that are browser pages: between them latency, freezes and pictures are measured. */
export const pagesOf = ({ clients }: Pick<Scenario, 'clients'>): string[] =>
  Object.keys(clients).filter((client) => clients[client]?.kind === 'page');

/** Whether what one client gets of another is timed, and so counts for tables and verdict: only pages draw and read time codes. */
export const isTimed = ({ clients }: Pick<Scenario, 'clients'>, sender: string, receiver: string): boolean =>
  clients[sender]?.kind === 'page' && clients[receiver]?.kind === 'page';

/** What a client sends. */
export const sentBy = (scenario: Scenario, client: string): Sent => scenario.clients[client]?.sends ?? scenario.sends;
