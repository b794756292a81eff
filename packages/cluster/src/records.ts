import {
  BusEnvelope,
  ChatMessage,
  DataProducerInfo,
  issuesOf,
  NodeId,
  NodeRecord,
  Participant,
  ProducerInfo,
  RoomEventEnvelope,
  RoomId,
  type RoomSnapshot,
  SessionLease,
} from '@meridian/protocol';
import { z } from 'zod';
import type { ClusterLogger } from './api.ts';

/**
 * The shapes of what lies in Redis. Scripts add to the protocol's records what only they need: the term of the node
 * that wrote a participant or a producer, and a place's policy and expiry.
 */
export const Term = z.int().nonnegative();

/** A message on a node's channel: of the bus, a change in one of its rooms, or its own heartbeat coming back. */
export const ChannelMessage = z.discriminatedUnion('t', [
  BusEnvelope,
  RoomEventEnvelope.extend({ t: z.literal('evt') }),
  z.object({ t: z.literal('beat'), incarnation: z.string(), beat: z.int().nonnegative() }),
]);
export type ChannelMessage = z.infer<typeof ChannelMessage>;

/** A chat line as it lies in the stream, beside its id. */
export const QueuedLine = ChatMessage.omit({ id: true, sentAtMs: true });

const text = z.string();
const number = z.coerce.number().int().nonnegative();
const snapshotReply = z.tuple([number, z.array(text), z.array(text), z.array(text)]);

/** What the scripts answer. */
export const REPLIES = {
  text,
  texts: z.array(text),
  count: z.int().nonnegative(),
  clock: number,
  flag: z.union([z.literal(0), z.literal(1)]).transform((flag) => flag === 1),
  admit: z.union([
    z.tuple([z.literal('admitted'), number]),
    z.tuple([z.literal('expelled'), number]),
    z.tuple([z.enum(['room-full', 'duplicate', 'room-ended', 'session-replaced', 'members-only'])]),
  ]),
  confirm: z.union([
    z.tuple([z.literal('confirmed'), number, z.union([z.literal(0), z.literal(1)]), snapshotReply]),
    z.tuple([z.enum(['token-replayed', 'place-expired', 'session-replaced', 'room-ended'])]),
  ]),
  leave: z.union([
    z.tuple([z.literal(0)]),
    z.tuple([z.literal(1), NodeId, z.union([z.literal(0), z.literal(1)]), number]),
  ]),
  snapshot: snapshotReply,
  restore: z.tuple([number, snapshotReply]),
  active: z.tuple([z.int(), z.array(text)]),
  beat: z.tuple([z.enum(['probed', 'superseded', 'renewed', 'registered']), number, number, z.array(text)]),
  look: z.tuple([number, z.array(text)]),
  list: z.tuple([number, z.array(text)]),
  attach: z.tuple([text, text]),
  pair: z.tuple([z.int(), z.int()]),
} as const;
export type SnapshotReply = z.infer<typeof snapshotReply>;

/** Writes a record. Lone surrogates, which the JSON of Redis refuses, become U+FFFD. */
export function encode(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'string' ? part.toWellFormed() : part));
}

/** Reads records back: a broken one is reported and left out, it never stops who reads. */
export class RecordReader {
  readonly #logger: ClusterLogger;

  constructor(logger: ClusterLogger) {
    this.#logger = logger;
  }

  read<S extends z.ZodType>(schema: S, what: string, json: string): z.output<S> | undefined {
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch {
      this.#logger.warn({ what }, 'a record in Redis is not JSON; it is skipped');
      return undefined;
    }
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    this.#logger.warn({ what, issues: issuesOf(result.error) }, 'a record in Redis is broken; it is skipped');
    return undefined;
  }

  all<S extends z.ZodType>(schema: S, what: string, texts: readonly string[]): z.output<S>[] {
    const records: z.output<S>[] = [];
    for (const json of texts) {
      const record = this.read(schema, what, json);
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  lease(json: string): SessionLease | undefined {
    return this.read(SessionLease, 'session lease', json);
  }

  node(json: string): NodeRecord | undefined {
    return this.read(NodeRecord, 'node record', json);
  }

  nodeIds(ids: readonly string[]): NodeId[] {
    return ids.flatMap((id) => {
      const result = NodeId.safeParse(id);
      if (!result.success) this.#logger.warn({ what: 'node id' }, 'a record in Redis is broken; it is skipped');
      return result.success ? [result.data] : [];
    });
  }

  roomIds(ids: readonly string[]): RoomId[] {
    return ids.flatMap((id) => {
      const result = RoomId.safeParse(id);
      if (!result.success) this.#logger.warn({ what: 'room id' }, 'a record in Redis is broken; it is skipped');
      return result.success ? [result.data] : [];
    });
  }

  /** Participants oldest first; what belongs to nobody who can be read is left out. */
  snapshot(roomId: RoomId, [revision, participants, producers, dataProducers]: SnapshotReply): RoomSnapshot {
    return {
      roomId,
      revision,
      participants: this.all(Participant, 'participant', participants).sort(
        (a, b) => a.joinedAtMs - b.joinedAtMs || (a.sessionId < b.sessionId ? -1 : 1),
      ),
      producers: this.all(ProducerInfo, 'producer', producers),
      dataProducers: this.all(DataProducerInfo, 'data producer', dataProducers),
    };
  }
}
