import type { SessionLeases } from '@meridian/cluster';
import type { NodeId, SessionLease } from '@meridian/protocol';
import type { SessionState } from './session.ts';

/**
 * Puts the leases of attached sessions back after Redis lost them, or where they were resumed without it. A session that ends meanwhile may have its lease
 * taken away before this puts it back: such a lease is ended once more, or it would stand for as long as the node.
 * @throws what Redis says
 */
export async function restoreLeases(options: {
  readonly nodeId: NodeId;
  readonly leases: Pick<SessionLeases, 'restore' | 'end'>;
  readonly sessions: { readonly all: readonly { readonly state: SessionState }[] };
}): Promise<void> {
  const { nodeId, leases, sessions } = options;
  const held = (): SessionLease[] =>
    sessions.all.flatMap(({ state }) => ('lease' in state && state.lease !== undefined ? [state.lease] : []));
  const restored = held();
  await leases.restore(restored);
  const still = new Set(held().map(({ sessionId, epoch }) => `${sessionId} ${epoch}`));
  const gone = restored.filter(({ sessionId, epoch }) => !still.has(`${sessionId} ${epoch}`));
  await Promise.all(gone.map(({ sessionId, epoch }) => leases.end(nodeId, sessionId, epoch)));
}
