import { MeridianError, type ProducerId } from '@meridian/protocol';
import { opusParameters } from '../light/rtp-parameters.ts';
import type { ModelClient } from './client.ts';
import type { Ledger, Tab } from './ledger.ts';
import type { Owner } from './owner.ts';
import type { Source } from './steps.ts';
import type { World } from './world.ts';

/**
 * What people do who are in a room: publish, mute, write, send each other out, end the call. Does nothing for somebody who
 * is in none. What the others have to notice of it is due in the ledger once the node has said that it is done.
 */
export class People {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #owner: Owner;

  constructor({ world, ledger, owner }: { world: World; ledger: Ledger; owner: Owner }) {
    this.#world = world;
    this.#ledger = ledger;
    this.#owner = owner;
  }

  async publish(tab: Tab, source: Source): Promise<void> {
    const { client } = tab;
    if (!client?.open || !client.inRoom || client.joined === undefined || tab.producers.has(source)) return;
    const rtpParameters = opusParameters(this.#world.newSsrc(), 'model');
    const { id: transportId } = client.joined.sendTransport;
    try {
      const { producerId } = await client.request('publish', { transportId, kind: 'audio', source, rtpParameters });
      if (tab.client === client) tab.producers.set(source, { producerId, paused: false });
    } catch (error) {
      this.#ledger.failed(tab, 'publish', error);
    }
  }

  unpublish(tab: Tab, source: Source): Promise<void> {
    return this.#change(tab, source, async (client, producerId) => {
      await client.request('unpublish', { producerId });
      tab.producers.delete(source);
    });
  }

  /** Mutes or unmutes. */
  pause(tab: Tab, source: Source, paused: boolean): Promise<void> {
    return this.#change(tab, source, async (client, producerId) => {
      await client.request(paused ? 'pause-producer' : 'resume-producer', { producerId });
      tab.producers.set(source, { producerId, paused });
    });
  }

  async chat(tab: Tab): Promise<void> {
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

  async kick(tab: Tab, target: Tab): Promise<void> {
    const { client } = tab;
    if (!client?.open || !client.inRoom || client.roomId === undefined) return;
    const victim = this.#ledger.in(client.roomId).find((one) => one.tab === target);
    this.#ledger.excuse(target, 'kick');
    this.#owner.noteKicked(client.roomId, target.userId);
    try {
      await client.request('kick', { sessionId: target.sessionId });
      if (victim !== undefined) this.#ledger.mustEnd(victim.client, 'kicked');
    } catch (error) {
      if (victim !== undefined) this.#ledger.failed(tab, 'kick', error);
    }
    this.#ledger.excuse(target, 'kick');
  }

  async endRoom(tab: Tab): Promise<void> {
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
    this.#owner.noteEnded(roomId);
  }

  /** Does something to what the tab publishes from that source, if it does. */
  async #change(
    tab: Tab,
    source: Source,
    work: (client: ModelClient, producerId: ProducerId) => Promise<void>,
  ): Promise<void> {
    const published = tab.producers.get(source);
    if (!tab.client?.open || !tab.client.inRoom || published === undefined) return;
    await work(tab.client, published.producerId).catch((error: unknown) => {
      this.#ledger.failed(tab, 'a change of a producer', error);
    });
  }
}
