import { isMeridianError, type LinkId, type NodeId } from '@meridian/protocol';

export interface LinkToCheck {
  readonly linkId: LinkId;
  readonly remoteNodeId: NodeId;
}

export type Verdict =
  | { readonly kind: 'answered'; readonly unknown: readonly LinkId[] }
  | { readonly kind: 'nobody-listens' }
  | { readonly kind: 'unknown' };

/** The bus message takes so many. */
const MOST_LINKS_PER_REQUEST = 4_096;

/** Asks the other end of every link, one request per node, whether it holds it still. */
export async function checkLinks(
  links: readonly LinkToCheck[],
  ask: (to: NodeId, linkIds: LinkId[]) => Promise<readonly LinkId[]>,
): Promise<{ remoteNodeId: NodeId; verdict: Verdict }[]> {
  const byNode = new Map<NodeId, LinkId[]>();
  for (const { linkId, remoteNodeId } of links) {
    const known = byNode.get(remoteNodeId);
    if (known === undefined) byNode.set(remoteNodeId, [linkId]);
    else known.push(linkId);
  }
  return await Promise.all(
    [...byNode].map(async ([remoteNodeId, linkIds]) => ({
      remoteNodeId,
      verdict: await verdictOf(ask(remoteNodeId, linkIds.slice(0, MOST_LINKS_PER_REQUEST))),
    })),
  );
}

async function verdictOf(answer: Promise<readonly LinkId[]>): Promise<Verdict> {
  try {
    return { kind: 'answered', unknown: await answer };
  } catch (error) {
    return { kind: isMeridianError(error, 'node-unknown') ? 'nobody-listens' : 'unknown' };
  }
}
