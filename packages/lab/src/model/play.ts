import { type NodeId, RoomId, SessionId, UserId } from '@meridian/protocol';
import type { Fate } from '../redis/redis-hop.ts';
import { seeded } from '../seeded.ts';
import { compare } from './compare.ts';
import { Ledger, type Tab } from './ledger.ts';
import { Machines } from './machines.ts';
import { Mover } from './mover.ts';
import { RESUME_WINDOW_MS } from './node.ts';
import { Owner } from './owner.ts';
import { Pages } from './pages.ts';
import { People } from './people.ts';
import { ROOMS, type Round, type Sequence, type Step, TABS } from './steps.ts';
import { NODE_IDS, nodeIdOf, type World } from './world.ts';

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

/**
 * Plays one sequence, round by round: lets time pass for what happens in each, and compares everything after it. What a
 * step says is done by pages, people, the mover of pages, and machines.
 */
export class Play {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #owner: Owner;
  readonly #machines: Machines;
  readonly #pages: Pages;
  readonly #people: People;
  readonly #mover: Mover;

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
    const ledger = new Ledger({ clock: world.clock, rooms, tabs });
    const owner = new Owner(world);
    this.#ledger = ledger;
    this.#owner = owner;
    this.#machines = new Machines({ world, ledger });
    this.#pages = new Pages({ world, ledger, owner });
    this.#people = new People({ world, ledger, owner });
    this.#mover = new Mover({ world, ledger, pages: this.#pages, machines: this.#machines });
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
    await this.#owner.takeBack();
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
    for (const nodeId of NODE_IDS) if (this.#world.node(nodeId).dead) await this.#machines.start(nodeId);
    for (const tab of this.#ledger.tabs) {
      for (const client of [...tab.older, ...(tab.client ? [tab.client] : [])]) this.#pages.cut(tab, client);
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
        return this.#pages.load(step);
      case 'abandon':
        return this.#pages.abandon(step);
      case 'leave':
        return this.#pages.leave(this.#ledger.tab(step.tab));
      case 'cut':
        return this.#pages.cutNewest(this.#ledger.tab(step.tab));
      case 'resume':
        return this.#pages.resume(this.#ledger.tab(step.tab));
      case 'rejoin':
        return this.#pages.rejoin(this.#ledger.tab(step.tab));
      case 'move':
        return this.#mover.move(this.#ledger.tab(step.tab), nodeIdOf(step.node), step);
      case 'publish':
        return this.#people.publish(this.#ledger.tab(step.tab), step.source);
      case 'unpublish':
        return this.#people.unpublish(this.#ledger.tab(step.tab), step.source);
      case 'mute':
      case 'unmute':
        return this.#people.pause(this.#ledger.tab(step.tab), step.source, step.do === 'mute');
      case 'chat':
        return this.#people.chat(this.#ledger.tab(step.tab));
      case 'kick':
        return this.#people.kick(this.#ledger.tab(step.tab), this.#ledger.tab(step.target));
      case 'end-room':
        return this.#people.endRoom(this.#ledger.tab(step.tab));
      case 'kill':
        return this.#machines.kill(nodeIdOf(step.node));
      case 'start':
        return this.#machines.start(nodeIdOf(step.node));
      case 'kill-worker':
        return this.#machines.killWorker(nodeIdOf(step.node));
      case 'break-bus':
        return this.#machines.breakBus(nodeIdOf(step.node));
      case 'expire':
        return this.#machines.expire(nodeIdOf(step.node), step.sweep);
      case 'empty-redis':
        return this.#machines.emptyRedis();
    }
  }
}
