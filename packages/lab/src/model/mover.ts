import { MeridianError, type NodeId } from '@meridian/protocol';
import { opusParameters } from '../light/rtp-parameters.ts';
import type { ModelClient } from './client.ts';
import type { Ledger, Tab } from './ledger.ts';
import type { Machines } from './machines.ts';
import type { Pages } from './pages.ts';
import type { MoveEnd, Source } from './steps.ts';
import type { World } from './world.ts';

/** A drain asks at once; so many looks, each with a question to Redis, are plenty. */
const LOOKS = 400;

export interface MoverOptions {
  readonly world: World;
  readonly ledger: Ledger;
  readonly pages: Pages;
  readonly machines: Machines;
}

/** Moves a page's participant to another node, as the client does: the new half first, then the end of the old one. */
export class Mover {
  readonly #options: MoverOptions;
  #drains: Promise<void> = Promise.resolve();

  constructor(options: MoverOptions) {
    this.#options = options;
  }

  async move(tab: Tab, to: NodeId, { drain, end }: { drain: boolean; end: MoveEnd }): Promise<void> {
    const { world, ledger, pages } = this.#options;
    const former = tab.client;
    if (!former?.open || !former.inRoom || former.roomId === undefined || former.node.nodeId === to) return;
    if (world.node(to).dead) return;
    const { roomId } = former;
    if (drain) {
      await this.#ask(tab, former);
      if (!former.open || !former.inRoom || world.node(to).dead) return;
    }
    const next = await pages.connect(tab, to);
    // Until it is through, the page is the former one.
    tab.older.push(next);
    // Swept in the midst of it, the former half comes back to find another stay in its place.
    if (!ledger.calm) former.excuses.add('newer');
    try {
      await next.welcomed.promise;
      await next.join(roomId, await pages.roomToken(next, roomId), true);
      const published = await this.#publishAgain(tab, next);
      await this.#finish(tab, { former, next, end, published });
    } catch (error) {
      next.excuses.add('refused');
      ledger.failed(tab, 'a move', error, ledger.refusals);
      await this.#abandon(tab, former, next);
    }
  }

  /** The node of a page is drained until the page is asked to move, one node at a time. */
  async #ask(tab: Tab, client: ModelClient): Promise<void> {
    const asked = this.#drains.then(async () => {
      const { world, ledger } = this.#options;
      const { drain } = client.node.core;
      const before = client.moveAsked;
      // Where no other node is to be seen, a drain ends the calls that it cannot move.
      if (!ledger.calm || world.living.length < 3) ledger.excuseNode(client.node, 'drain');
      drain.start({ deadlineMs: 3_600_000, spreadMs: 0 });
      try {
        for (let look = 0; look < LOOKS; look += 1) {
          if (client.moveAsked > before || !client.open || !client.inRoom || client.node.dead) return;
          await Promise.all([world.raw.send('PING'), new Promise((resolve) => setTimeout(resolve, 2))]);
        }
        if (world.living.length > 1) {
          const error = new MeridianError('deadline-exceeded', { message: 'nobody asked it to move' });
          ledger.failed(tab, 'a drain', error);
        }
      } finally {
        drain.cancel();
      }
    });
    this.#drains = asked;
    await asked;
  }

  async #publishAgain(tab: Tab, next: ModelClient): Promise<Tab['producers']> {
    const published: Tab['producers'] = new Map();
    const transportId = next.joined?.sendTransport.id;
    if (transportId === undefined) throw new MeridianError('session-lost');
    for (const [source, { producerId: replaces, paused }] of tab.producers) {
      const rtpParameters = opusParameters(this.#options.world.newSsrc(), 'model');
      const asked = { transportId, kind: 'audio' as const, source, rtpParameters, paused, replaces };
      const { producerId } = await next.request('publish', asked);
      published.set(source satisfies Source, { producerId, paused });
    }
    return published;
  }

  async #finish(
    tab: Tab,
    move: { former: ModelClient; next: ModelClient; end: MoveEnd; published: Tab['producers'] },
  ): Promise<void> {
    const { former, next, end, published } = move;
    const { ledger, machines } = this.#options;
    if (!former.open || !former.inRoom || !next.open || !next.inRoom) throw new MeridianError('session-lost');
    if (end === 'back' || end === 'new-dies') {
      next.excuses.add('left');
      if (end === 'new-dies') await machines.crash(next.node.nodeId);
      else await next.request('leave', { back: true });
      await next.closed;
      // The room knows it under the epoch of its return; its node and itself go on under their own.
      former.returned = true;
      return;
    }
    tab.older[tab.older.indexOf(next)] = former;
    tab.client = next;
    tab.producers.clear();
    for (const [source, one] of published) tab.producers.set(source, one);
    former.excuses.add('left');
    ledger.halfLingers(tab);
    if (end === 'former-dies') await machines.crash(former.node.nodeId);
    else await former.request('leave', {});
    await former.closed;
  }

  /** What came in between (a kick, a crash) may have ended either half: nobody may rely on either. */
  async #abandon(tab: Tab, former: ModelClient, next: ModelClient): Promise<void> {
    for (const one of [former, next]) {
      one.excuses.add('left');
      if (!one.open) continue;
      this.#options.pages.cut(tab, one);
      await one.closed;
    }
    tab.client = undefined;
    tab.producers.clear();
    if (!tab.older.includes(former)) tab.older.push(former);
    if (!tab.older.includes(next)) tab.older.push(next);
  }
}
