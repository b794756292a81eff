import { NodeId, type NodeView, type SessionId } from '@meridian/protocol';
import type { ClusterLogger } from './api.ts';
import { type Keys, registryKeyList } from './keys.ts';
import type { NodeRegistry } from './ports.ts';
import { REPLIES, type RecordReader } from './records.ts';
import type { RedisConnection } from './redis/connection.ts';
import { closedError } from './redis/failures.ts';
import { SCRIPTS } from './scripts.ts';

/** The view is kept fresh this long after it was last asked for, milliseconds. */
const KEEP_FRESH_MS = 30_000;

export interface RegistryOptions {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly records: RecordReader;
  readonly logger: ClusterLogger;
  readonly maxAgeMs: number;
  readonly reservationMs: number;
}

interface View {
  readonly nodes: readonly NodeView['record'][];
  /** Reservations as Redis last told them. */
  reserved: ReadonlyMap<NodeId, number>;
  readonly readAt: number;
}

export class RedisNodeRegistry implements NodeRegistry {
  readonly #options: RegistryOptions;
  /** Reservations on their way to Redis. */
  readonly #pending = new Map<SessionId, NodeId>();
  #view: View | undefined;
  #reading: Promise<View> | undefined;
  #refresh: NodeJS.Timeout | undefined;
  #askedAt = 0;
  #closed = false;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  async list(): Promise<NodeView[]> {
    if (this.#closed) throw closedError('the registry');
    this.#askedAt = performance.now();
    const { maxAgeMs } = this.#options;
    const fresh = this.#view !== undefined && this.#askedAt - this.#view.readAt <= maxAgeMs ? this.#view : undefined;
    const view = fresh ?? (await this.#read());
    this.#keepFresh();
    const underWay = new Map<NodeId, number>();
    for (const nodeId of this.#pending.values()) underWay.set(nodeId, (underWay.get(nodeId) ?? 0) + 1);
    return view.nodes.map((record) => ({
      record,
      reserved: (view.reserved.get(record.nodeId) ?? 0) + (underWay.get(record.nodeId) ?? 0),
    }));
  }

  async reserve(nodeId: NodeId, sessionId: SessionId): Promise<void> {
    if (this.#closed) throw closedError('the registry');
    const { connection, keys, reservationMs } = this.#options;
    this.#pending.set(sessionId, nodeId);
    try {
      const reply = await connection.run(SCRIPTS.registry.reserve, registryKeyList(keys.registry), [
        keys.nodeEntries,
        nodeId,
        sessionId,
        reservationMs,
      ]);
      if (this.#view !== undefined) this.#view.reserved = countsOf(REPLIES.texts.parse(reply));
    } finally {
      if (this.#pending.get(sessionId) === nodeId) this.#pending.delete(sessionId);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#refresh);
    this.#view = undefined;
  }

  #read(): Promise<View> {
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readNow(): Promise<View> {
    const { connection, keys, records } = this.#options;
    const readAt = performance.now();
    const reply = await connection.run(SCRIPTS.registry.list, registryKeyList(keys.registry), [keys.nodeEntries]);
    const [, flat] = REPLIES.list.parse(reply);
    const nodes: NodeView['record'][] = [];
    const reserved = new Map<NodeId, number>();
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const record = records.node(flat[i] ?? '');
      if (record === undefined) continue;
      nodes.push(record);
      reserved.set(record.nodeId, Number(flat[i + 1]));
    }
    const view = { nodes, reserved, readAt };
    if (!this.#closed) this.#view = view;
    return view;
  }

  /** Reads again shortly before the view is too old, as long as somebody asks for it. */
  #keepFresh(): void {
    if (this.#refresh !== undefined || this.#closed) return;
    const again = () => {
      this.#refresh = undefined;
      if (this.#closed || performance.now() - this.#askedAt > KEEP_FRESH_MS) return;
      this.#read()
        .catch((error: unknown) => this.#options.logger.debug({ err: error }, 'the registry could not be read'))
        .finally(() => this.#keepFresh());
    };
    this.#refresh = setTimeout(again, this.#options.maxAgeMs / 2);
    this.#refresh.unref();
  }
}

function countsOf(flat: readonly string[]): Map<NodeId, number> {
  const counts = new Map<NodeId, number>();
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const nodeId = NodeId.safeParse(flat[i]).data;
    const count = Number(flat[i + 1]);
    if (nodeId !== undefined && Number.isInteger(count)) counts.set(nodeId, count);
  }
  return counts;
}
