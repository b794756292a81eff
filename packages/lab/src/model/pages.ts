import { MeridianError, type NodeId, type RoomId, type SessionLease } from '@meridian/protocol';
import { ModelClient } from './client.ts';
import type { Ledger, Tab } from './ledger.ts';
import type { Owner } from './owner.ts';
import type { Goodbye, Step } from './steps.ts';
import { nodeIdOf, type World } from './world.ts';

const ALL_GRANTS = { publish: true, subscribe: true, chat: true, moderate: true };

/**
 * How pages come and go: loaded and refreshed, given up halfway, closed, cut off and resumed. Whatever ends a page is
 * written down in the ledger, or among the page's excuses, before it happens.
 */
export class Pages {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #owner: Owner;

  constructor({ world, ledger, owner }: { world: World; ledger: Ledger; owner: Owner }) {
    this.#world = world;
    this.#ledger = ledger;
    this.#owner = owner;
  }

  async connect({ sessionId, userId }: Tab, nodeId: NodeId): Promise<ModelClient> {
    const token = await this.#world.forge.session({ sessionId, userId, name: sessionId, nodeId });
    const redisForgot = () => this.#ledger.forgotten;
    const client = new ModelClient(this.#world.node(nodeId), sessionId, token, redisForgot);
    // A kick means the user: one that was late on its way may meet a page that came after it.
    if (this.#owner.wasKicked(userId)) client.excuses.add('kick');
    return client;
  }

  /** What `POST /v1/rooms/:slug/join` does. */
  async roomToken(client: ModelClient, roomId: RoomId): Promise<string> {
    const lease: SessionLease | undefined = await this.#world.service.leases.find(client.node.nodeId, client.sessionId);
    if (lease === undefined) throw new MeridianError('session-not-attached');
    const admission = await this.#world.service.rooms.admit({ roomId, lease, capacity: 50, duplicates: 'allow' });
    if (!admission.admitted) throw new MeridianError('session-replaced', { message: `refused: ${admission.reason}` });
    return await this.#world.forge.room({ lease, roomId, slug: 'model-room', grants: ALL_GRANTS });
  }

  async load({ tab: index, node, room, goodbye, when }: Extract<Step, { do: 'load' }>): Promise<void> {
    const tab = this.#ledger.tab(index);
    const roomId = this.#ledger.room(room);
    const old = tab.client;
    const sayGoodbye = () => this.#goodbye(tab, old, goodbye);
    this.#ledger.replaced(tab);
    if (when === 'first') sayGoodbye();
    const client = await this.connect(tab, nodeIdOf(node));
    tab.client = client;
    if (when === 'meanwhile') sayGoodbye();
    try {
      await client.welcomed.promise;
      await client.join(roomId, await this.roomToken(client, roomId));
    } catch (error) {
      this.#ledger.refused(tab, client, roomId, error);
      this.cut(tab, client);
      await client.closed;
    } finally {
      if (when === 'last') sayGoodbye();
    }
  }

  async abandon({ tab: index, node, room, after }: Extract<Step, { do: 'abandon' }>): Promise<void> {
    const tab = this.#ledger.tab(index);
    const roomId = this.#ledger.room(room);
    if (tab.client?.open) this.cut(tab, tab.client);
    this.#ledger.replaced(tab);
    const client = await this.connect(tab, nodeIdOf(node));
    tab.client = client;
    this.#ledger.lingers(roomId, tab);
    try {
      if (after !== 'connect') await client.welcomed.promise;
      if (after === 'join-sent') client.join(roomId, await this.roomToken(client, roomId)).catch(() => {});
    } catch {
      // Refused for a reason of its own: it goes away all the same.
    }
    client.excuses.add('cut');
    client.cut();
    await client.closed;
    tab.client = undefined;
  }

  async leave(tab: Tab): Promise<void> {
    const { client } = tab;
    if (!client?.open) return;
    client.excuses.add('left');
    if (!client.inRoom) this.#ledger.lingers(client.roomId, tab);
    await client.request('leave', {}).catch((error: unknown) => this.#ledger.failed(tab, 'leave', error));
    await client.closed;
  }

  /** The connection breaks; the participant may stay for a while. */
  cut(tab: Tab, client: ModelClient): void {
    if (!client.open) return;
    client.excuses.add('cut');
    client.cutAtMs = this.#world.clock.now();
    this.#ledger.lingers(client.roomId, tab);
    client.cut();
  }

  async cutNewest(tab: Tab): Promise<void> {
    if (tab.client?.open) this.cut(tab, tab.client);
    await tab.client?.closed;
  }

  async resume(tab: Tab): Promise<void> {
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
        this.cut(tab, client);
        await client.closed;
      }
    } catch (error) {
      if (due) this.#ledger.failed(tab, 'resume', error);
    }
  }

  /** After its worker died: the same connection joins again. */
  async rejoin(tab: Tab): Promise<void> {
    const { client } = tab;
    if (!client?.open || !client.mediaLost || client.roomId === undefined) return;
    const { roomId } = client;
    tab.producers.clear();
    try {
      await client.join(roomId, await this.roomToken(client, roomId));
    } catch (error) {
      this.#ledger.refused(tab, client, roomId, error);
      this.cut(tab, client);
      await client.closed;
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
        this.cut(tab, old);
        break;
    }
  }
}
