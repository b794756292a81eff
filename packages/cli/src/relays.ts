import type { Cluster } from '@meridian/cluster';
import { type BusReplyData, type ErrorCode, MeridianError, NodeId, type RoomId } from '@meridian/protocol';

/** One node's half of a relay link, as it tells it. */
export type RelayHalf = BusReplyData<'relay.list'>['links'][number];

export interface NodeAnswer {
  readonly nodeId: NodeId;
  readonly links: readonly RelayHalf[];
}

export interface Unanswered {
  readonly nodeId: NodeId;
  readonly code: ErrorCode;
  readonly message: string;
}

/**
 * A relay link put together from its halves; media flows from the origin to the puller.
 * `half`: the other node answered and does not hold it. `unknown`: the other node did not answer or
 * is not (no longer) in the cluster.
 */
export interface RelayLink {
  readonly linkId: RelayHalf['linkId'];
  readonly roomId: RoomId;
  readonly originNodeId: NodeId;
  readonly pullerNodeId: NodeId;
  readonly state: 'whole' | 'half' | 'unknown';
  readonly origin: RelayHalf | null;
  readonly puller: RelayHalf | null;
}

export interface RelayReport {
  readonly links: RelayLink[];
  /** Live nodes whose links are not in the report. */
  readonly unanswered: Unanswered[];
}

/** A person waits. Milliseconds. */
const ANSWER_WITHIN_MS = 2_000;

/** Asks every live node for its halves, all at the same time, over the bus. */
export async function askForRelays(
  cluster: Cluster,
  options: { askerId: NodeId; nodeIds: readonly NodeId[]; withinMs?: number },
): Promise<RelayReport> {
  const inbox = await cluster.inbox(options.askerId);
  try {
    const answers: NodeAnswer[] = [];
    const unanswered: Unanswered[] = [];
    const ask = async (nodeId: NodeId) => {
      try {
        const { links } = await inbox.request(
          nodeId,
          'relay.list',
          {},
          { ttlMs: options.withinMs ?? ANSWER_WITHIN_MS },
        );
        answers.push({ nodeId, links });
      } catch (thrown) {
        const { code, message } = MeridianError.from(thrown);
        unanswered.push({ nodeId, code, message });
      }
    };
    await Promise.all(options.nodeIds.map(ask));
    return { links: joinHalves(answers), unanswered: unanswered.sort((a, b) => compare(a.nodeId, b.nodeId)) };
  } finally {
    await inbox.close();
  }
}

/** A bus address for the time of one command; nodes answer to it like to a node. */
export function newAskerId(random: () => string): NodeId {
  return NodeId.parse(`cli-${random().replaceAll('-', '').slice(0, 16).toLowerCase()}`);
}

/** Puts the halves of each link together. Sorted by room, origin, puller. */
export function joinHalves(answers: readonly NodeAnswer[]): RelayLink[] {
  const answered = new Set(answers.map(({ nodeId }) => nodeId));
  const links = new Map<string, RelayLink>();
  for (const { nodeId, links: halves } of answers) {
    for (const half of halves) {
      const isOrigin = half.role === 'origin';
      const known = links.get(half.linkId);
      const origin = isOrigin ? half : (known?.origin ?? null);
      const puller = isOrigin ? (known?.puller ?? null) : half;
      links.set(half.linkId, {
        linkId: half.linkId,
        roomId: half.roomId,
        originNodeId: isOrigin ? nodeId : half.remoteNodeId,
        pullerNodeId: isOrigin ? half.remoteNodeId : nodeId,
        state: origin && puller ? 'whole' : answered.has(half.remoteNodeId) ? 'half' : 'unknown',
        origin,
        puller,
      });
    }
  }
  return [...links.values()].sort(
    (a, b) =>
      compare(a.roomId, b.roomId) ||
      compare(a.originNodeId, b.originNodeId) ||
      compare(a.pullerNodeId, b.pullerNodeId) ||
      compare(a.linkId, b.linkId),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
