import type { NodeInbox, RoomState } from '@meridian/cluster';
import type { MediaEngine } from '@meridian/media';
import type { NodeId, ReplyData, RequestData, RequestMethod } from '@meridian/protocol';
import type { TokenVerifier } from '../auth/token-verifier.ts';
import type { Chores } from '../chores.ts';
import type { Clock } from '../clock.ts';
import type { NodeConfig } from '../config.ts';
import type { NodeMetrics } from '../metrics/node-metrics.ts';
import type { RelayManager } from '../relay/relay-manager.ts';
import type { ChatLines } from '../rooms/chat-lines.ts';
import type { NodeRooms } from '../rooms/node-rooms.ts';
import type { SessionEnder } from '../sessions/end-session.ts';
import type { Handovers } from '../sessions/handovers.ts';
import type { Resumption } from '../sessions/resume.ts';
import type { RevokedTokens } from '../sessions/revocations.ts';
import type { Session } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { TokenRenewals } from '../sessions/token-renewals.ts';
import type { Lanes, Order } from '../signalling/lanes.ts';

/** What handlers work with. */
export interface Services {
  readonly nodeId: NodeId;
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly random: () => number;
  readonly metrics: NodeMetrics;
  readonly tokens: TokenVerifier;
  readonly media: MediaEngine;
  readonly roomState: RoomState;
  readonly chat: ChatLines;
  readonly inbox: NodeInbox;
  readonly sessions: Sessions;
  readonly ender: SessionEnder;
  readonly resumption: Resumption;
  readonly renewals: TokenRenewals;
  /** Participants on their way to another node. */
  readonly handovers: Handovers;
  /** Who was logged out everywhere. */
  readonly revoked: RevokedTokens;
  readonly rooms: NodeRooms;
  readonly relays: RelayManager;
  readonly chores: Chores;
  /** Joins, one after the other per session. */
  readonly joins: Lanes;
}

export interface RequestContext {
  readonly services: Services;
  readonly session: Session;
  /** Runs when the reply has been handed to the socket. */
  readonly afterReply: (then: () => void) => void;
}

/** One request method: in which order it runs, and what it does. */
export interface Handler<M extends RequestMethod> {
  readonly order: (data: RequestData<M>) => Order;
  readonly handle: (data: RequestData<M>, context: RequestContext) => Promise<ReplyData<M>>;
}

export const free: Order = { kind: 'free' };
export const barrier: Order = { kind: 'barrier' };
export const lane = (name: string): Order => ({ kind: 'lane', name });
