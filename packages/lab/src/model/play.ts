import { MeridianError, type NodeId, RoomId, SessionId, type SessionLease, UserId } from '@meridian/protocol';
import { opusParameters } from '../light/rtp-parameters.ts';
import type { Fate } from '../redis/redis-hop.ts';
import { seeded } from '../seeded.ts';
import { ModelClient } from './client.ts';
import { compare } from './compare.ts';
import { Ledger, type Tab } from './ledger.ts';
import { Mover } from './mover.ts';
import { RESUME_WINDOW_MS } from './node.ts';
import { type Goodbye, ROOMS, type Round, type Sequence, type Source, type Step, TABS } from './steps.ts';
import { NODE_IDS, type World } from './world.ts';

const ALL_GRANTS = { publish: true, subscribe: true, chat: true, moderate: true };
/** Virtual time within which everything has to agree, milliseconds. */
const SETTLE_MS = 60_000;
/**
 * And so many looks after that, each with its turns of Redis and of this process: what waits in real time (for lost
 * messages, for a subscription that broke) is over by then, also on a machine that stands still in between.
 */
const SETTLE_LOOKS = 200;
/** Between two of them, milliseconds of real time. */
const LOOK_EVERY_MS = 20;
/** Where a round has a pace, something is held for so long at most, milliseconds of real time. */
const LONGEST_HOLD_MS = 6;
/** Where waiting goes on, heartbeats go on with it, this far apart in virtual time, milliseconds. */
const BEAT_MS = 2_000;
/** A round whose steps are not done after so many turns, each with its pause, is stuck. */
const STUCK_TURNS = 2_000;
/** Idle for so long (real milliseconds), a round waits for virtual time to pass. */
const IDLE_MS = 4;

/** Plays one sequence and compares everything after each round. */
export class Play {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #ended = new Set<RoomId>();
  readonly #kicked: { readonly roomId: RoomId; readonly userId: UserId }[] = [];
  /** One process after the other under a node's id: two at once would be another fault than a restart. */
  readonly #starting = new Map<NodeId, Promise<void>>();
  readonly #mover: Mover;
  #ssrc = 1;

  constructor(world: World) {
    this.#world = world;
    const rooms = Array.from({ length: ROOMS }, () => RoomId.parse(world.newId('room')));
    const tabs = Array.from({ length: TABS }, (): Tab => {
      const name = world.newId('tab');
      return {
        sessionId: SessionId.parse(name),
        userId: UserId.parse(`user-of-${name}`),
        client: undefined,
        older: [],
        producers: new Map(),
        doing: Promise.resolve(),
      };
    });
    this.#ledger = new Ledger({ clock: world.clock, rooms, tabs });
    this.#mover = new Mover({
      world,
      ledger: this.#ledger,
      connect: (tab, nodeId) => this.#connect(tab, nodeId),
      roomToken: (client, roomId) => this.#roomToken(client, roomId),
      newSsrc: () => this.#ssrc++,
      crash: async (nodeId) => {
        await this.#kill(nodeId);
        await this.#expire(nodeId, 'last');
      },
      giveUp: async (tab, client) => {
        if (!client.open) return;
        this.#cut(tab, client);
        await client.closed;
      },
    });
  }

  /** @throws Error that says what does not agree */
  async run(sequence: Sequence): Promise<void> {
    for (const [index, round] of sequence.entries()) {
      await this.#round(round);
      await this.#settle(`round ${index + 1}`);
      if (round.passMs > 0) {
        await this.#pass(round.passMs);
        await this.#settle(`round ${index + 1}, ${round.passMs} ms later`);
      }
    }
    await this.#end();
  }

  async #round(round: Round): Promise<void> {
    // Their owner opens them again; not before everybody has heard that they were closed.
    for (const roomId of this.#ended) await this.#world.service.rooms.reopen(roomId);
    this.#ended.clear();
    for (const { roomId, userId } of this.#kicked.splice(0))
      await this.#world.service.rooms.readmit(roomId, { userId });
    this.#ledger.begin(round.steps);
    const lost = this.#disturbBus(round);
    this.#setPace(round);
    let done = false;
    const all = Promise.all(round.steps.map((step) => this.#take(step))).finally(() => {
      done = true;
    });
    all.catch(() => {});
    await this.#untilDone(() => done);
    await all;
    await this.#world.quiet();
    for (const node of this.#world.living) {
      node.hop.judge(undefined);
      node.hop.pace(undefined);
      node.hop.release();
    }
    // Events get lost with their connection only, and a connection that comes back makes its node look again.
    for (const nodeId of lost) if (!this.#world.node(nodeId).dead) this.#world.node(nodeId).hop.breakSubscription();
  }

  /** Returns the nodes that lost events, filled while the round runs. */
  #disturbBus({ bus }: Round): Set<NodeId> {
    const lost = new Set<NodeId>();
    for (const { node: index, fates } of bus) {
      const node = this.#world.node(nodeIdOf(index));
      if (node.dead) continue;
      const left: Fate[] = [...fates];
      node.hop.judge((text) => {
        const fate = left.shift() ?? 'pass';
        if (fate === 'lose' && text.includes('"t":"evt"')) lost.add(node.nodeId);
        return fate;
      });
      this.#ledger.disturbed = true;
    }
    return lost;
  }

  /** One thing in five is held for a moment, elsewhere other things. */
  #setPace({ pace }: Round): void {
    if (pace === 0) return;
    NODE_IDS.forEach((nodeId, index) => {
      const random = seeded(pace + index * 0x10000);
      this.#world.node(nodeId).hop.pace(() => (random() < 0.2 ? 1 + Math.floor(random() * LONGEST_HOLD_MS) : 0));
    });
  }

  /** Lets virtual time pass where a step waits for it. @throws Error when a step is stuck */
  async #untilDone(done: () => boolean): Promise<void> {
    for (let turn = 0; !done(); turn += 1) {
      if (turn >= STUCK_TURNS) throw new Error('a step does not come to its end');
      await this.#world.quiet();
      const idleSince = performance.now();
      while (!done() && performance.now() - idleSince < IDLE_MS) await new Promise((resolve) => setTimeout(resolve, 1));
      await this.#world.swept();
      if (!done()) this.#world.advance(100);
    }
  }

  async #pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      this.#world.advance(Math.min(500, left));
      await this.#world.quiet();
    }
  }

  async #settle(when: string): Promise<void> {
    await this.#world.listening();
    for (let passed = 0, looks = 0; ; ) {
      await this.#world.quiet();
      const broken = this.#ledger.broken();
      if (broken.length > 0) throw new Error([`after ${when}:`, ...broken].join('\n    '));
      const wrong = await compare(this.#world, this.#ledger);
      if (wrong.length === 0) return;
      if (passed >= SETTLE_MS) {
        looks += 1;
        if (looks > SETTLE_LOOKS) throw new Error([`after ${when}:`, ...wrong].join('\n    '));
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
      await this.#world.swept();
      const stepMs = passed < 2_000 ? 100 : 500;
      passed += stepMs;
      this.#world.advance(stepMs);
      // A node that was killed in the midst of sweeping leaves that to whoever's heartbeat comes next.
      if (passed % BEAT_MS === 0) await Promise.all(this.#world.living.map((node) => node.beat()));
    }
  }

  /** Everybody goes; nothing may be left. */
  async #end(): Promise<void> {
    this.#ledger.begin([]);
    for (const nodeId of NODE_IDS) if (this.#world.node(nodeId).dead) await this.#start(nodeId);
    for (const tab of this.#ledger.tabs) {
      for (const client of [...tab.older, ...(tab.client ? [tab.client] : [])]) this.#cut(tab, client);
    }
    await this.#pass(RESUME_WINDOW_MS + 5_000);
    this.#ledger.over = true;
    await this.#settle('everybody has gone');
  }

  #take(step: Step): Promise<void> {
    if (!('tab' in step)) return this.#do(step);
    // What one person does happens in its order.
    const tab = this.#ledger.tab(step.tab);
    tab.doing = tab.doing.then(() => this.#do(step));
    return tab.doing;
  }

  async #do(step: Step): Promise<void> {
    switch (step.do) {
      case 'load':
        return this.#load(step);
      case 'abandon':
        return this.#abandon(step);
      case 'leave':
        return this.#leave(this.#ledger.tab(step.tab));
      case 'cut': {
        const tab = this.#ledger.tab(step.tab);
        if (tab.client?.open) this.#cut(tab, tab.client);
        await tab.client?.closed;
        return;
      }
      case 'resume':
        return this.#resume(this.#ledger.tab(step.tab));
      case 'rejoin':
        return this.#rejoin(this.#ledger.tab(step.tab));
      case 'chat':
        return this.#chat(this.#ledger.tab(step.tab));
      case 'end-room':
        return this.#endRoom(this.#ledger.tab(step.tab));
      case 'publish':
        return this.#publish(this.#ledger.tab(step.tab), step.source);
      case 'unpublish':
        return this.#change(step, async (client, producerId) => {
          await client.request('unpublish', { producerId });
          this.#ledger.tab(step.tab).producers.delete(step.source);
        });
      case 'mute':
      case 'unmute':
        return this.#change(step, async (client, producerId) => {
          const paused = step.do === 'mute';
          await client.request(paused ? 'pause-producer' : 'resume-producer', { producerId });
          this.#ledger.tab(step.tab).producers.set(step.source, { producerId, paused });
        });
      case 'move':
        return this.#mover.move(this.#ledger.tab(step.tab), nodeIdOf(step.node), step);
      case 'kick':
        return this.#kick(this.#ledger.tab(step.tab), this.#ledger.tab(step.target));
      case 'kill':
        return this.#kill(nodeIdOf(step.node));
      case 'start':
        return this.#start(nodeIdOf(step.node));
      case 'kill-worker': {
        const node = this.#world.node(nodeIdOf(step.node));
        if (node.dead) return;
        this.#ledger.excuseNode(node, 'worker');
        node.media.killWorker();
        return;
      }
      case 'break-bus': {
        const node = this.#world.node(nodeIdOf(step.node));
        if (!node.dead) node.hop.breakSubscription();
        return;
      }
      case 'expire':
        return this.#expire(nodeIdOf(step.node), step.sweep);
      case 'empty-redis':
        // As after a restart: whoever was connected is not any more.
        for (const node of this.#world.living) node.hop.breakSubscription();
        await this.#world.raw.send('FLUSHALL');
        for (const node of this.#world.living) await node.beat();
        return;
    }
  }

  async #connect(tab: Tab, nodeId: NodeId): Promise<ModelClient> {
    const { sessionId, userId } = tab;
    const token = await this.#world.forge.session({ sessionId, userId, name: sessionId, nodeId });
    const redisForgot = () => this.#ledger.forgotten;
    const client = new ModelClient(this.#world.node(nodeId), sessionId, token, redisForgot);
    // A kick means the user: one that was late on its way may meet a page that came after it.
    if (this.#kicked.some((one) => one.userId === userId)) client.excuses.add('kick');
    return client;
  }

  /** What `POST /v1/rooms/:slug/join` does. */
  async #roomToken(client: ModelClient, roomId: RoomId): Promise<string> {
    const lease: SessionLease | undefined = await this.#world.service.leases.find(client.node.nodeId, client.sessionId);
    if (lease === undefined) throw new MeridianError('session-not-attached');
    const admission = await this.#world.service.rooms.admit({ roomId, lease, capacity: 50, duplicates: 'allow' });
    if (!admission.admitted) throw new MeridianError('session-replaced', { message: `refused: ${admission.reason}` });
    return await this.#world.forge.room({ lease, roomId, slug: 'model-room', grants: ALL_GRANTS });
  }

  async #load({ tab: index, node, room, goodbye, when }: Extract<Step, { do: 'load' }>): Promise<void> {
    const tab = this.#ledger.tab(index);
    const roomId = this.#ledger.room(room);
    const old = tab.client;
    const sayGoodbye = () => this.#goodbye(tab, old, goodbye);
    this.#ledger.replaced(tab);
    if (when === 'first') sayGoodbye();
    const client = await this.#connect(tab, nodeIdOf(node));
    tab.client = client;
    if (when === 'meanwhile') sayGoodbye();
    try {
      await client.welcomed.promise;
      await client.join(roomId, await this.#roomToken(client, roomId));
    } catch (error) {
      this.#ledger.refused(tab, client, roomId, error);
      this.#cut(tab, client);
      await client.closed;
    } finally {
      if (when === 'last') sayGoodbye();
    }
  }

  #goodbye(tab: Tab, old: ModelClient | undefined, goodbye: Goodbye): void {
    if (old === undefined || !old.open) return;
    switch (goodbye) {
      case 'leave':
        old.excuses.add('left');
        old.request('leave', {}).catch(() => {});
        break;
      case 'close':
        old.excuses.add('left');
        old.close();
        break;
      case 'cut':
        this.#cut(tab, old);
        break;
    }
  }

  async #abandon({ tab: index, node, room, after }: Extract<Step, { do: 'abandon' }>): Promise<void> {
    const tab = this.#ledger.tab(index);
    const roomId = this.#ledger.room(room);
    if (tab.client?.open) this.#cut(tab, tab.client);
    this.#ledger.replaced(tab);
    const client = await this.#connect(tab, nodeIdOf(node));
    tab.client = client;
    this.#ledger.lingers(roomId, tab);
    try {
      if (after !== 'connect') await client.welcomed.promise;
      if (after === 'join-sent') client.join(roomId, await this.#roomToken(client, roomId)).catch(() => {});
    } catch {
      // Refused for a reason of its own: it goes away all the same.
    }
    client.excuses.add('cut');
    client.cut();
    await client.closed;
    tab.client = undefined;
  }

  async #leave(tab: Tab): Promise<void> {
    const { client } = tab;
    if (!client?.open) return;
    client.excuses.add('left');
    if (!client.inRoom) this.#ledger.lingers(client.roomId, tab);
    await client.request('leave', {}).catch((error: unknown) => this.#ledger.failed(tab, 'leave', error));
    await client.closed;
  }

  /** The connection breaks; the participant may stay for a while. */
  #cut(tab: Tab, client: ModelClient): void {
    if (!client.open) return;
    client.excuses.add('cut');
    client.cutAtMs = this.#world.clock.now();
    this.#ledger.lingers(client.roomId, tab);
    client.cut();
  }

  async #resume(tab: Tab): Promise<void> {
    const { client } = tab;
    if (client === undefined || client.open || client.cutAtMs === undefined || client.resumePoint === undefined) return;
    if (client.node.dead || client.node !== this.#world.node(client.node.nodeId)) return;
    const { sessionId, userId } = tab;
    const token = await this.#world.forge.session({ sessionId, userId, name: sessionId, nodeId: client.node.nodeId });
    const due = this.#ledger.mustResume(client);
    try {
      const { resumed } = await client.resume(token);
      if (!resumed && due) this.#ledger.wrong(`${sessionId} came back in time and could not resume`);
      if (resumed) {
        client.cutAtMs = undefined;
      } else {
        this.#cut(tab, client);
        await client.closed;
      }
    } catch (error) {
      if (due) this.#ledger.failed(tab, 'resume', error);
    }
  }

  /** After its worker died: the same connection joins again. */
  async #rejoin(tab: Tab): Promise<void> {
    const { client } = tab;
    if (!client?.open || !client.mediaLost || client.roomId === undefined) return;
    const { roomId } = client;
    tab.producers.clear();
    try {
      await client.join(roomId, await this.#roomToken(client, roomId));
    } catch (error) {
      this.#ledger.refused(tab, client, roomId, error);
      this.#cut(tab, client);
      await client.closed;
    }
  }

  async #publish(tab: Tab, source: Source): Promise<void> {
    const { client } = tab;
    if (!client?.open || !client.inRoom || client.joined === undefined || tab.producers.has(source)) return;
    const rtpParameters = opusParameters(this.#ssrc++, 'model');
    const { id: transportId } = client.joined.sendTransport;
    try {
      const { producerId } = await client.request('publish', { transportId, kind: 'audio', source, rtpParameters });
      if (tab.client === client) tab.producers.set(source, { producerId, paused: false });
    } catch (error) {
      this.#ledger.failed(tab, 'publish', error);
    }
  }

  async #change(
    { tab: index, source }: Extract<Step, { source: Source }>,
    work: (
      client: ModelClient,
      producerId: NonNullable<ReturnType<Tab['producers']['get']>>['producerId'],
    ) => Promise<void>,
  ): Promise<void> {
    const tab = this.#ledger.tab(index);
    const published = tab.producers.get(source);
    if (!tab.client?.open || !tab.client.inRoom || published === undefined) return;
    await work(tab.client, published.producerId).catch((error: unknown) => {
      this.#ledger.failed(tab, 'a change of a producer', error);
    });
  }

  async #chat(tab: Tab): Promise<void> {
    const { client } = tab;
    if (!client?.open || !client.inRoom || client.roomId === undefined) return;
    const hearers = this.#ledger.in(client.roomId).filter((one) => one.client !== client);
    try {
      const { message } = await client.request('send-chat', { text: 'hello' });
      for (const hearer of hearers) this.#ledger.mustHear(hearer.client, message.id);
    } catch (error) {
      if (!(error instanceof MeridianError && error.code === 'rate-limited')) this.#ledger.failed(tab, 'chat', error);
    }
  }

  async #kick(tab: Tab, target: Tab): Promise<void> {
    const { client } = tab;
    if (!client?.open || !client.inRoom || client.roomId === undefined) return;
    const victim = this.#ledger.in(client.roomId).find((one) => one.tab === target);
    this.#ledger.excuse(target, 'kick');
    this.#kicked.push({ roomId: client.roomId, userId: target.userId });
    try {
      await client.request('kick', { sessionId: target.sessionId });
      if (victim !== undefined) this.#ledger.mustEnd(victim.client, 'kicked');
    } catch (error) {
      if (victim !== undefined) this.#ledger.failed(tab, 'kick', error);
    }
    this.#ledger.excuse(target, 'kick');
  }

  async #endRoom(tab: Tab): Promise<void> {
    const { client } = tab;
    if (!client?.open || !client.inRoom || client.roomId === undefined) return;
    const { roomId } = client;
    const there = this.#ledger.in(roomId);
    const excuse = () => {
      for (const one of this.#ledger.tabs) this.#ledger.excuse(one, 'end');
    };
    excuse();
    try {
      await client.request('end-room', {});
      for (const one of there) this.#ledger.mustEnd(one.client, 'in a room that was ended');
    } catch (error) {
      this.#ledger.failed(tab, 'end-room', error, ['room-ended', 'session-lost']);
    }
    excuse();
    this.#ended.add(roomId);
  }

  async #kill(nodeId: NodeId): Promise<void> {
    const node = this.#world.node(nodeId);
    if (node.dead) return;
    this.#ledger.killed(node);
    node.kill();
  }

  #start(nodeId: NodeId): Promise<void> {
    const started = (this.#starting.get(nodeId) ?? Promise.resolve()).then(() => this.#startNext(nodeId));
    this.#starting.set(nodeId, started);
    return started;
  }

  async #startNext(nodeId: NodeId): Promise<void> {
    await this.#kill(nodeId);
    const node = await this.#world.startNode(nodeId);
    await node.beat();
    this.#ledger.swept(nodeId);
  }

  async #expire(nodeId: NodeId, order: 'first' | 'last'): Promise<void> {
    const node = this.#world.node(nodeId);
    await this.#world.expireLease(nodeId);
    const sweep = async () => {
      const other = this.#world.living.find((one) => one !== node);
      if (other === undefined) await this.#world.sweeper.sweep();
      else await other.beat();
    };
    if (order === 'first') await sweep();
    await node.beat();
    if (order === 'last') await sweep();
    if (node.dead) this.#ledger.swept(nodeId);
  }
}

function nodeIdOf(index: number): NodeId {
  const nodeId = NODE_IDS[index];
  if (nodeId === undefined) throw new Error(`no node ${index}`);
  return nodeId;
}
