import { randomUUID } from 'node:crypto';
import { type Cluster, type NodeInbox, openCluster } from '@meridian/cluster';
import {
  type BusReplyData,
  type BusRequestData,
  type NodeId,
  type NodeRecord,
  type ProducerInfo,
  Region,
  type RoomId,
  RoomSlug,
  type SessionLease,
} from '@meridian/protocol';
import type { ExitCode } from '../../src/io.ts';
import { run } from '../../src/program.ts';
import type { RelayHalf } from '../../src/relays.ts';
import { aNodeRecord, aParticipant, aProducer, NOW, node } from '../builders.ts';

export interface Ran {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process. */
export async function meridian(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await run(args, {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    env,
    now: () => NOW,
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** A process of the cluster as the CLI sees it: it announces itself and answers on the bus. */
export class FakeNode {
  readonly nodeId: NodeId;
  readonly region: NodeRecord['region'];
  readonly cluster: Cluster;
  readonly inbox: NodeInbox;
  links: RelayHalf[] = [];
  /** What it was asked of draining. */
  readonly drainRequests: BusRequestData<'node.drain'>[] = [];
  /** What it answers, one after the other; the last one for ever. */
  drainAnswers: BusReplyData<'node.drain'>[] = [{ state: 'ready' }];

  private constructor(cluster: Cluster, inbox: NodeInbox, record: NodeRecord) {
    this.cluster = cluster;
    this.inbox = inbox;
    this.nodeId = record.nodeId;
    this.region = record.region;
  }

  static async start(
    at: { url: string; keyPrefix: string },
    id: string,
    change: Partial<NodeRecord> & { answers?: boolean } = {},
  ): Promise<FakeNode> {
    const { answers = true, ...record } = change;
    const cluster = await openCluster(at);
    const announced = aNodeRecord(id, { incarnation: randomUUID(), ...record });
    const inbox = await cluster.inbox(node(id));
    const made = new FakeNode(cluster, inbox, announced);
    const never = new Promise<never>(() => undefined);
    inbox.handle('relay.list', async () => (answers ? { links: made.links } : await never));
    inbox.handle('node.drain', async (asked) => {
      made.drainRequests.push(asked);
      const [next] = made.drainAnswers.length > 1 ? made.drainAnswers.splice(0, 1) : made.drainAnswers;
      return answers && next !== undefined ? next : await never;
    });
    await cluster.announce(announced);
    return made;
  }

  /** Somebody attaches to this node, joins the room and publishes. */
  async join(
    roomId: RoomId,
    slug: string,
    name: string,
    publishes: Partial<ProducerInfo>[] = [],
  ): Promise<SessionLease> {
    const { sessionId, userId } = aParticipant(name);
    const { cluster, nodeId, region } = this;
    const lease = await cluster.leases.attach({ sessionId, userId, name, nodeId, region, roomHint: roomId });
    await cluster.names.set(roomId, RoomSlug.parse(slug));
    await cluster.rooms.admit({ roomId, lease, capacity: 10, duplicates: 'allow' });
    const { epoch } = lease;
    const tokenId = randomUUID();
    const confirmed = await cluster.rooms.confirm({ roomId, sessionId, epoch, tokenId, tokenTtlMs: 60_000, nodeId });
    if (!confirmed.confirmed) throw new Error(`${name} could not join: ${confirmed.reason}`);
    for (const change of publishes) {
      await cluster.rooms.openProducer(roomId, epoch, aProducer(confirmed.self, change));
    }
    return lease;
  }

  stop(): Promise<void> {
    return this.cluster.close();
  }
}

export const region = (name: string) => Region.parse(name);
