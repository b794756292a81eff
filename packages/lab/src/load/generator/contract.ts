import { z } from 'zod';

/** What the lab tells a process of participants, and what that one says: JSON over the processes' own channel. */

export const MediaPlan = z.strictObject({
  video: z
    .strictObject({
      kbps: z.number().positive(),
      fps: z.number().positive(),
      packetBytes: z.int(),
      keyFrameEveryS: z.number().positive(),
      /** An IVF file (VP8) instead of generated frames. */
      file: z.string().optional(),
    })
    .optional(),
  audio: z
    .strictObject({
      kbps: z.number().positive(),
      /** An Ogg file (Opus) instead. */
      file: z.string().optional(),
    })
    .optional(),
});
export type MediaPlan = z.output<typeof MediaPlan>;

export const PersonPlan = z.strictObject({
  person: z.int().nonnegative(),
  room: z.string(),
  region: z.string().optional(),
  publishes: z.boolean(),
  /** Streams it receives at most; null for all. */
  receives: z.int().nonnegative().nullable(),
});
export type PersonPlan = z.output<typeof PersonPlan>;

export const Command = z.discriminatedUnion('do', [
  z.strictObject({
    do: z.literal('begin'),
    url: z.string(),
    media: MediaPlan,
    /** Unix time less the machine's monotonic clock, milliseconds: all processes go by one clock. */
    clockOffsetMs: z.number(),
  }),
  z.strictObject({ do: z.literal('join'), plan: PersonPlan }),
  z.strictObject({ do: z.literal('leave'), person: z.int() }),
  z.strictObject({ do: z.literal('streams') }),
  z.strictObject({ do: z.literal('end') }),
]);
export type Command = z.output<typeof Command>;

/** Steps of a join in their order; `sending` and `receiving` come after it. */
export const JOIN_STEPS = ['guest', 'session', 'connect', 'place', 'join'] as const;
const ms = z.number().nonnegative();

/** Counters since the process began; times are counted in `LogHistogram`s. */
export const GeneratorFigures = z.strictObject({
  participants: z.int(),
  sentPackets: z.int(),
  sentBytes: z.int(),
  /** Packets that the library did not take (the connection was gone). */
  unsentPackets: z.int(),
  /** Frames that were skipped because this process was late. */
  skippedFrames: z.int(),
  keyFramesAsked: z.int(),
  streams: z.int(),
  receivedPackets: z.int(),
  receivedBytes: z.int(),
  /** By the sequence numbers; less what was received it is what was lost. */
  expectedPackets: z.int(),
  /** From leaving one process until arriving in another. */
  latency: z.array(z.int()),
  /** How late frames were sent. */
  lateness: z.array(z.int()),
  /** Of the event loop, milliseconds since the process began. */
  loopActiveMs: z.number(),
  loopIdleMs: z.number(),
});
export type GeneratorFigures = z.output<typeof GeneratorFigures>;

export const StreamFigures = z.strictObject({
  person: z.int(),
  producerId: z.string(),
  kind: z.enum(['audio', 'video']),
  received: z.int(),
  expected: z.int(),
});
export type StreamFigures = z.output<typeof StreamFigures>;

export const Report = z.discriminatedUnion('report', [
  z.strictObject({ report: z.literal('ready') }),
  z.strictObject({
    report: z.literal('joined'),
    person: z.int(),
    node: z.string(),
    steps: z.strictObject({ guest: ms, session: ms, connect: ms, place: ms, join: ms }),
    /** All steps: from the first request until the participant is in the room. */
    totalMs: ms,
  }),
  /** Milliseconds from the first request until its own media went out, or the first packet of somebody else's came. */
  z.strictObject({ report: z.enum(['sending', 'receiving']), person: z.int(), afterMs: ms }),
  z.strictObject({
    report: z.literal('failed'),
    person: z.int(),
    step: z.enum([...JOIN_STEPS, 'sending', 'receiving']),
    code: z.string(),
    message: z.string(),
    afterMs: ms,
  }),
  /** Was put out of the room, or lost its media, later on. */
  z.strictObject({ report: z.literal('lost'), person: z.int(), reason: z.string() }),
  z.strictObject({ report: z.literal('left'), person: z.int() }),
  z.strictObject({ report: z.literal('figures'), figures: GeneratorFigures }),
  z.strictObject({ report: z.literal('streams'), streams: z.array(StreamFigures) }),
  /** The command that was given could not be done. */
  z.strictObject({ report: z.literal('broken'), message: z.string() }),
]);
export type Report = z.output<typeof Report>;
