import {
  MeridianError,
  type NodeId,
  type ProducerId,
  type RoomId,
  type SessionId,
  type UserId,
} from '@meridian/protocol';
import type { ManualClock } from '@meridian/sfu-node/kit';
import type { Excuse, ModelClient } from './client.ts';
import { type ModelNode, RESUME_WINDOW_MS } from './node.ts';
import type { Source, Step } from './steps.ts';

/** A participant that may still be seen though its page is gone is gone this long after the window, milliseconds. */
const SLACK_MS = 3_000;

/** One tab of one user. Its session id survives its pages. */
export interface Tab {
  readonly sessionId: SessionId;
  readonly userId: UserId;
  /** The newest page. */
  client: ModelClient | undefined;
  readonly older: ModelClient[];
  /** What the newest page publishes, as it was told. */
  readonly producers: Map<Source, { readonly producerId: ProducerId; readonly paused: boolean }>;
  /** Its steps, one after the other. */
  doing: Promise<void>;
}

export interface Seated {
  readonly tab: Tab;
  readonly client: ModelClient;
}

/**
 * The model: who has to be in which room, who may still be seen there, who may not. A page that was told that it is in
 * a room, and nothing else since, has to be there with all it publishes. One whose connection broke may be there until
 * its window has passed, what a killed node held until it was swept. Nobody else may. And nobody is put out without a
 * step that explains it.
 */
export class Ledger {
  readonly rooms: readonly RoomId[];
  readonly tabs: readonly Tab[];
  readonly violations: string[] = [];
  readonly #clock: ManualClock;
  readonly #lingering = new Map<string, number>();
  /** Nodes that were killed and not swept since. */
  readonly #unswept = new Set<NodeId>();
  #ends: { readonly client: ModelClient; readonly epoch: number | undefined; readonly why: string }[] = [];
  #lines: { readonly client: ModelClient; readonly id: string }[] = [];
  /** Bus messages were late, lost or doubled in this round, or a subscription broke. */
  disturbed = false;
  /** Somebody's requests may fail in this round. */
  #rough = false;
  #draining = false;
  /** What was written in this round may be lost with Redis. */
  #forgotten = false;
  /** Everybody has gone: nothing may be left. */
  over = false;

  constructor(options: { clock: ManualClock; rooms: readonly RoomId[]; tabs: readonly Tab[] }) {
    this.#clock = options.clock;
    this.rooms = options.rooms;
    this.tabs = options.tabs;
  }

  begin(steps: readonly Step[]): void {
    this.#forgotten = steps.some((step) => step.do === 'empty-redis');
    // What is published while a subscription is broken does not come through it: chat is read from the store then.
    this.disturbed = steps.some((step) => step.do === 'break-bus');
    this.#rough = steps.some(
      (step) => ROUGH[step.do] || (step.do === 'move' && (step.end === 'former-dies' || step.end === 'new-dies')),
    );
    this.#draining = steps.some((step) => step.do === 'move' && step.drain);
    this.#ends = [];
    this.#lines = [];
  }

  tab(index: number): Tab {
    const tab = this.tabs[index];
    if (tab === undefined) throw new Error(`no tab ${index}`);
    return tab;
  }

  room(index: number): RoomId {
    const roomId = this.rooms[index];
    if (roomId === undefined) throw new Error(`no room ${index}`);
    return roomId;
  }

  /** Who has to be in the room. */
  in(roomId: RoomId): Seated[] {
    return this.tabs.flatMap((tab) => {
      const { client } = tab;
      return client?.open && client.inRoom && client.roomId === roomId ? [{ tab, client }] : [];
    });
  }

  /** Pages that are connected to the node. */
  on(nodeId: NodeId): Seated[] {
    return this.tabs.flatMap((tab) =>
      [...tab.older, ...(tab.client ? [tab.client] : [])]
        .filter((client) => client.open && client.node.nodeId === nodeId)
        .map((client) => ({ tab, client })),
    );
  }

  mayLinger(roomId: RoomId, sessionId: SessionId, nodeId: NodeId): boolean {
    return this.#unswept.has(nodeId) || (this.#lingering.get(`${roomId}|${sessionId}`) ?? 0) > this.#clock.now();
  }

  /** May the session be attached to some node though it has no page there? */
  mayBeAttached(sessionId: SessionId): boolean {
    return this.rooms.some((roomId) => (this.#lingering.get(`${roomId}|${sessionId}`) ?? 0) > this.#clock.now());
  }

  lingers(roomId: RoomId | undefined, tab: Tab): void {
    for (const one of roomId === undefined ? this.rooms : [roomId]) {
      this.#lingering.set(`${one}|${tab.sessionId}`, this.#clock.now() + RESUME_WINDOW_MS + SLACK_MS);
    }
  }

  /** A new page comes in the place of the newest one. */
  replaced(tab: Tab): void {
    const { client } = tab;
    tab.producers.clear();
    if (client === undefined) return;
    client.excuses.add('newer');
    this.lingers(client.roomId, tab);
    tab.older.push(client);
  }

  killed(node: ModelNode): void {
    this.#unswept.add(node.nodeId);
    for (const { client } of this.on(node.nodeId)) client.excuses.add('killed');
  }

  /** Something happened to the person: to whichever of its pages. */
  excuse(tab: Tab, excuse: Excuse): void {
    for (const client of [...tab.older, ...(tab.client ? [tab.client] : [])]) {
      // Also one whose connection broke: its participant is still there.
      if (client.open || client.cutAtMs !== undefined) client.excuses.add(excuse);
    }
  }

  /** Something happened to a node: to all whom it has, those whose connection is lost as well. */
  excuseNode(node: ModelNode, excuse: Excuse): void {
    for (const tab of this.tabs) {
      for (const client of [...tab.older, ...(tab.client ? [tab.client] : [])]) {
        if (client.node === node) client.excuses.add(excuse);
      }
    }
  }

  /** What a page may be told that wants to come to a node in this round: one may be drained just then. */
  get refusals(): readonly string[] {
    return this.#draining ? ['node-draining', 'session-lost'] : [];
  }

  /** Redis has lost everything in this round. */
  get forgotten(): boolean {
    return this.#forgotten;
  }

  /** Nothing in this round makes requests fail. */
  get calm(): boolean {
    return !this.#rough;
  }

  /** What a participant that has moved left behind goes at once, or when the node that has it is swept. */
  halfLingers(tab: Tab): void {
    this.lingers(tab.client?.roomId, tab);
  }

  swept(nodeId: NodeId): void {
    this.#unswept.delete(nodeId);
  }

  /** A page was not let in. */
  refused(tab: Tab, client: ModelClient, roomId: RoomId, error: unknown): void {
    this.lingers(roomId, tab);
    client.excuses.add('refused');
    if (!client.node.dead) this.failed(tab, 'load', error, this.refusals);
  }

  /** A request failed: wrong, unless this round explains it. */
  failed(tab: Tab, what: string, error: unknown, usual: readonly string[] = []): void {
    const { code, message } = MeridianError.from(error);
    if (code === 'internal') this.wrong(`${what} of ${tab.sessionId} failed with ${code}: ${message}`);
    if (this.#rough || usual.includes(code)) return;
    this.wrong(`${what} of ${tab.sessionId} failed with ${code} (${message}), and nothing explains it`);
  }

  wrong(what: string): void {
    this.violations.push(what);
  }

  /** Its connection broke a moment ago and nothing else has happened to it. */
  mustResume(client: ModelClient): boolean {
    const { cutAtMs, excuses } = client;
    if (this.#rough || cutAtMs === undefined || !client.inRoom) return false;
    if (this.#clock.now() - cutAtMs > RESUME_WINDOW_MS - 1_000) return false;
    return [...excuses].every((excuse) => excuse === 'cut');
  }

  mustEnd(client: ModelClient, why: string): void {
    this.#ends.push({ client, epoch: client.epoch, why });
  }

  mustHear(client: ModelClient, id: string): void {
    this.#lines.push({ client, id });
  }

  /** What was told to pages that may not have been told: no waiting mends that. */
  broken(): string[] {
    const wrong = [...this.violations];
    for (const tab of this.tabs) {
      for (const client of [...tab.older, ...(tab.client ? [tab.client] : [])]) {
        wrong.push(...client.violations, ...unexplained(client));
      }
    }
    return wrong;
  }

  /** What pages have not been told yet. */
  due(): string[] {
    const wrong: string[] = [];
    for (const { client, epoch, why } of this.#forgotten ? [] : this.#ends) {
      if (client.open && client.inRoom && client.epoch === epoch)
        wrong.push(`${client.sessionId} was ${why} and is in still`);
    }
    if (this.disturbed || this.#rough) return wrong;
    for (const { client, id } of this.#lines) {
      if (client.open && client.inRoom && !client.chat.has(id))
        wrong.push(`${client.sessionId} has not got line ${id}`);
    }
    return wrong;
  }
}

/** Steps by which requests of others may fail. */
const ROUGH: { readonly [S in Step['do']]: boolean } = {
  load: false,
  abandon: false,
  move: false,
  leave: false,
  cut: false,
  resume: false,
  rejoin: false,
  chat: false,
  publish: false,
  unpublish: false,
  mute: false,
  unmute: false,
  'break-bus': false,
  'end-room': true,
  kick: true,
  kill: true,
  start: true,
  'kill-worker': true,
  expire: true,
  'empty-redis': true,
};

function unexplained(client: ModelClient): string[] {
  const { excuses, farewell, closeInfo, sessionId, mediaLost } = client;
  const has = (...some: readonly Excuse[]) => some.some((excuse) => excuses.has(excuse));
  const told = (what: string) => [`${sessionId} was put out without a reason: ${what}`];
  if (mediaLost && !has('worker')) return told('media lost');
  if (farewell !== undefined) {
    const excuse = EXCUSES[farewell.reason] ?? [];
    return has(...excuse) ? [] : told(farewell.reason);
  }
  if (closeInfo === undefined || has('cut', 'killed', 'refused')) return [];
  return closeInfo.code === 1_000 && has('left') ? [] : told(`closed with ${closeInfo.code} ${closeInfo.reason}`);
}

/** What explains an end; where its event was lost, the reason is not known. */
const EXCUSES: Readonly<Record<string, readonly Excuse[]>> = {
  kicked: ['kick'],
  'room-ended': ['end'],
  replaced: ['newer'],
  left: ['left'],
  'connection-lost': ['newer', 'cut', 'kick', 'end'],
  'worker-died': ['worker'],
  'node-shutdown': ['drain'],
};
