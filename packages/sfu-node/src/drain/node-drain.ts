import type { Cluster, NodeAnnouncement, NodeInbox } from '@meridian/cluster';
import { assertNever, MeridianError, type NodeId, type NodeState } from '@meridian/protocol';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { SessionEnder } from '../sessions/end-session.ts';
import type { Handovers } from '../sessions/handovers.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { Drain } from './drain.ts';
import { guestsOf } from './guests.ts';

export interface NodeDrainOptions {
  readonly nodeId: NodeId;
  readonly cluster: Cluster;
  readonly inbox: NodeInbox;
  readonly sessions: Sessions;
  readonly handovers: Handovers;
  readonly ender: SessionEnder;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where nothing else is said. Milliseconds. */
  readonly deadlineMs: number;
  /** undefined before the node stands in the registry. */
  readonly announcement: () => NodeAnnouncement | undefined;
}

/** The drain of a node, as its operators ask for it over the bus. */
export function createNodeDrain(options: NodeDrainOptions): Drain {
  const { nodeId, cluster, inbox, clock, log, deadlineMs, announcement } = options;
  const hasElsewhere = async (): Promise<boolean> => {
    const nodes = await cluster.registry.list();
    return nodes.some(
      ({ record, reserved }) =>
        record.nodeId !== nodeId &&
        record.state === 'ready' &&
        record.load.sessions + reserved < record.load.maxSessions,
    );
  };
  let told: NodeState = 'ready';
  const drain: Drain = new Drain({
    clock,
    log,
    deadlineMs,
    guests: () => guestsOf(options),
    hasElsewhere,
    tell: async (state, progress) => {
      // A change of the state has to be seen by placement at once; how far it is, the next heartbeat says.
      const now = state !== told;
      told = state;
      await announcement()?.update({ state, drain: progress }, { now });
    },
  });
  const status = () => {
    const { progress } = drain;
    return { state: drain.active ? ('draining' as const) : ('ready' as const), ...(progress && { drain: progress }) };
  };
  inbox.handle('node.drain', async (asked) => {
    switch (asked.action) {
      case 'start':
        if (asked.deadlineMs !== 0 && !drain.active && options.sessions.size > 0 && !(await hasElsewhere())) {
          throw new MeridianError('no-healthy-node', {
            message: 'No other node could take its sessions: start one first, or end them with a deadline of 0.',
          });
        }
        drain.start(asked);
        return status();
      case 'cancel':
        drain.cancel();
        return status();
      case 'status':
        return status();
      default:
        return assertNever(asked);
    }
  });
  return drain;
}
