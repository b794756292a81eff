import fc from 'fast-check';
import type { Fate } from '../redis/redis-hop.ts';

export const TABS = 4;
export const ROOMS = 2;

/** How an old page goes when a new one takes its place. */
export type Goodbye = 'leave' | 'close' | 'cut';
/** When that happens, seen from the new page. */
export type When = 'first' | 'meanwhile' | 'last';
/** How a move to another node ends; a node may crash in the middle of it. */
export type MoveEnd = 'complete' | 'back' | 'former-dies' | 'new-dies';
export type Source = 'microphone' | 'camera';

/** What can happen. Tabs, nodes and rooms are named by their number. */
export type Step =
  /** A page is loaded (again), maybe elsewhere. */
  | {
      readonly do: 'load';
      readonly tab: number;
      readonly node: number;
      readonly room: number;
      readonly goodbye: Goodbye;
      readonly when: When;
    }
  /** A page is closed by its browser in the middle of its start. */
  | {
      readonly do: 'abandon';
      readonly tab: number;
      readonly node: number;
      readonly room: number;
      readonly after: 'connect' | 'welcome' | 'join-sent';
    }
  | { readonly do: 'leave' | 'cut' | 'resume' | 'rejoin' | 'chat' | 'end-room'; readonly tab: number }
  | { readonly do: 'publish' | 'unpublish' | 'mute' | 'unmute'; readonly tab: number; readonly source: Source }
  /** The page goes over to another node, maybe because its own is being drained. */
  | {
      readonly do: 'move';
      readonly tab: number;
      readonly node: number;
      readonly drain: boolean;
      readonly end: MoveEnd;
    }
  | { readonly do: 'kick'; readonly tab: number; readonly target: number }
  /** The process is killed; it is started (again); its workers die; its subscription breaks. */
  | { readonly do: 'kill' | 'start' | 'kill-worker' | 'break-bus'; readonly node: number }
  /** The node's lease runs out in Redis. A dead node is swept, a living one comes back: before or after the sweep. */
  | { readonly do: 'expire'; readonly node: number; readonly sweep: 'first' | 'last' }
  /** Redis loses everything. */
  | { readonly do: 'empty-redis' };

/** Steps that happen at the same time, what becomes of bus messages meanwhile, and how long nothing happens then. */
export interface Round {
  readonly steps: readonly Step[];
  /** Fates of the next messages to each node; what comes after them passes. */
  readonly bus: readonly { readonly node: number; readonly fates: readonly Fate[] }[];
  /**
   * 0: everything goes between nodes and Redis at its own speed. Otherwise now and then something is held for a moment, on
   * each connection by itself, so that answers and events overtake each other; the number says when.
   */
  readonly pace: number;
  /** Virtual milliseconds. */
  readonly passMs: number;
}

export type Sequence = readonly Round[];

const tab = fc.nat({ max: TABS - 1 });
const node = fc.nat({ max: 2 });
const room = fc.constantFrom(0, 0, 0, 1);
const source = fc.constantFrom<Source>('microphone', 'camera');

const usual: readonly fc.WeightedArbitrary<Step>[] = [
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('load' as const),
      tab,
      node,
      room,
      goodbye: fc.constantFrom<Goodbye>('leave', 'close', 'cut'),
      when: fc.constantFrom<When>('first', 'meanwhile', 'last'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('abandon' as const),
      tab,
      node,
      room,
      after: fc.constantFrom('connect' as const, 'welcome' as const, 'join-sent' as const),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('leave' as const, 'cut' as const), tab }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('resume' as const, 'rejoin' as const), tab }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('chat' as const), tab }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('publish' as const), tab, source }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('unpublish' as const, 'mute' as const, 'unmute' as const),
      tab,
      source,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('kick' as const), tab, target: tab }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end-room' as const), tab }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('kill' as const, 'start' as const), node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('kill-worker' as const, 'break-bus' as const), node }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('expire' as const),
      node,
      sweep: fc.constantFrom('first' as const, 'last' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('empty-redis' as const) }) },
];

const move: fc.WeightedArbitrary<Step> = {
  weight: 4,
  arbitrary: fc.record({
    do: fc.constant('move' as const),
    tab,
    node,
    drain: fc.boolean(),
    end: fc.constantFrom<MoveEnd>('complete', 'complete', 'back', 'former-dies', 'new-dies'),
  }),
};

const fate = fc.constantFrom<Fate>('pass', 'pass', 'twice', 'late', 'lose');

const roundOf = (step: fc.Arbitrary<Step>, paced: boolean): fc.Arbitrary<Round> =>
  fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 4 }),
    bus: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      {
        weight: 1,
        arbitrary: fc.array(fc.record({ node, fates: fc.array(fate, { minLength: 1, maxLength: 6 }) }), {
          minLength: 1,
          maxLength: 2,
        }),
      },
    ),
    pace: paced ? fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0xffff })) : fc.constant(0),
    passMs: fc.constantFrom(0, 0, 0, 500, 3_000, 12_000),
  });

/** It begins with pages that are loaded, so that there is something to lose. */
export const sequenceOf = ({ moves }: { moves: boolean }): fc.Arbitrary<Sequence> =>
  fc
    .tuple(
      fc.array(fc.tuple(node, room), { minLength: 2, maxLength: TABS }),
      fc.array(roundOf(fc.oneof(...usual, ...(moves ? [move] : [])), moves), { minLength: 1, maxLength: 8 }),
    )
    .map(([first, rounds]) => [
      {
        steps: first.map(
          ([where, which], index): Step => ({
            do: 'load',
            tab: index,
            node: where,
            room: which,
            goodbye: 'cut',
            when: 'first',
          }),
        ),
        bus: [],
        pace: 0,
        passMs: 0,
      },
      ...rounds,
    ]);

export function describe(sequence: Sequence): string {
  const lines = sequence.map(({ steps, bus, pace, passMs }) => {
    const parts = steps.map((one) => {
      const { do: what, ...rest } = one;
      return `${what}(${Object.entries(rest)
        .map(([name, value]) => `${name}=${value}`)
        .join(' ')})`;
    });
    const messages = bus.map((one) => `bus of node ${one.node}: ${one.fates.join(' ')}`);
    if (pace > 0) messages.push(`pace ${pace}`);
    return [...parts, ...messages, ...(passMs > 0 ? [`then ${passMs} ms`] : [])].join(' | ');
  });
  return lines.map((line, index) => `  ${index + 1}. ${line}`).join('\n');
}
