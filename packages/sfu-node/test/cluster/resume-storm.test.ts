import { randomUUID } from 'node:crypto';
import { eventually } from '@meridian/harness';
import { RoomId } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { roomView, whoIsWhere } from '../support/room-view.ts';
import { opusParameters } from '../support/rtp.ts';
import { TestCluster } from '../support/test-cluster.ts';

const NODES = ['ams-1', 'sin-1'] as const;
type NodeName = (typeof NODES)[number];

type Op =
  /**
   * The connection breaks and is resumed. `noticed`: the node hears of the break before; else the old connection is
   * still open when the new one comes (half-open), or both come in the same moment.
   */
  | { readonly kind: 'break'; readonly noticed: boolean; readonly chat: 'none' | 'in-flight'; readonly twice: boolean }
  /** The page is refreshed, on either node, while the old connection is open, broken, or being resumed. */
  | { readonly kind: 'refresh'; readonly node: NodeName; readonly old: 'open' | 'broken' | 'resuming' }
  | { readonly kind: 'publish' }
  | { readonly kind: 'chat' }
  /** The connection breaks and does not come back for now. */
  | { readonly kind: 'away' }
  | { readonly kind: 'leave' };

const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('break' as const),
      noticed: fc.boolean(),
      chat: fc.constantFrom('none' as const, 'in-flight' as const),
      twice: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('refresh' as const),
      node: fc.constantFrom(...NODES),
      old: fc.constantFrom('open' as const, 'broken' as const, 'resuming' as const),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'publish' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'chat' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'away' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'leave' as const }) },
);

let cluster: TestCluster;
let nodes: Record<NodeName, SfuNode>;
let media: Record<NodeName, FakeMediaEngine>;

beforeAll(async () => {
  cluster = await TestCluster.start();
  // Calls into the media take a turn of the event loop, as they do with real workers.
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  media = { 'ams-1': new FakeMediaEngine(turn), 'sin-1': new FakeMediaEngine(turn) };
  const env = {
    MERIDIAN_RELAY_GRACE_MS: '0',
    MERIDIAN_RESUME_WINDOW_MS: '120000',
    MERIDIAN_CHAT_BURST: '1000',
    MERIDIAN_CHAT_PER_SECOND: '1000',
  };
  nodes = {
    'ams-1': await cluster.startNode('ams-1', { media: media['ams-1'], env }),
    'sin-1': await cluster.startNode('sin-1', { media: media['sin-1'], env }),
  };
});

afterAll(async () => {
  await cluster.stop();
});

/** A page that is in the room: the connection it has, or had last. */
interface Page {
  readonly node: NodeName;
  readonly transportId: string;
  client: TestClient;
  epoch: number;
  /** All notifications of its dialogue so far, over all its connections. */
  readonly heard: { seq: number; event: string }[];
  readonly producers: string[];
}

/** One tab of one user; what should be is known at every step. */
class Tab {
  readonly sessionId = `tab-${randomUUID().slice(0, 8)}`;
  readonly #roomId: RoomId;
  /** Undefined where it has left. */
  page: Page | undefined;
  connected = true;
  /** Lines that were answered: everybody reads them once. */
  readonly said: string[] = [];
  #lines = 0;

  constructor(roomId: RoomId) {
    this.#roomId = roomId;
  }

  async play(ops: readonly Op[]): Promise<void> {
    await this.#enter('ams-1');
    for (const one of ops) await this.#step(one);
  }

  async #step(one: Op): Promise<void> {
    const { page } = this;
    switch (one.kind) {
      case 'break':
        if (page === undefined) return;
        await this.#break(page, one);
        break;
      case 'refresh':
        await this.#refresh(page, one);
        break;
      case 'publish':
        if (page === undefined || !this.connected || page.producers.length > 0) return;
        page.producers.push((await page.client.request('publish', this.#microphone(page))).producerId);
        break;
      case 'chat': {
        if (page === undefined || !this.connected) return;
        const text = this.#nextLine();
        await page.client.request('send-chat', { text });
        this.said.push(text);
        break;
      }
      case 'away':
        if (page === undefined) return;
        this.connected = false;
        page.client.socket.terminate();
        await page.client.closed;
        break;
      case 'leave':
        if (page === undefined || !this.connected) return;
        await page.client.request('leave', {});
        this.page = undefined;
        break;
    }
  }

  /** Ends the test for this tab. */
  async finish(): Promise<void> {
    if (this.page !== undefined && !this.connected) await this.#resume(this.page);
    await this.page?.client.request('leave', {});
  }

  async #break(page: Page, { noticed, chat, twice }: Extract<Op, { kind: 'break' }>): Promise<void> {
    const id = page.client.nextId;
    const text = this.#nextLine();
    if (chat === 'in-flight' && this.connected) {
      page.client.sendAs(id, { method: 'send-chat', data: { text } }).catch(() => {});
    }
    if (noticed) {
      page.client.socket.terminate();
      await page.client.closed;
    }
    const wasConnected = this.connected;
    await this.#resume(page, twice);
    if (chat === 'none' || !wasConnected) return;
    const answer = await page.client.sendAs(id, { method: 'send-chat', data: { text } });
    expect(answer).toMatchObject({ message: { text } });
    this.said.push(text);
  }

  /** Comes back where it left off; its participant has to be there. */
  async #resume(page: Page, twice = false): Promise<void> {
    const before = page.client;
    // What comes over the old connection from now on is not taken: the point is named already.
    page.heard.push(...before.heard.filter((one) => one.event !== 'welcome'));
    const seq = page.heard.at(-1)?.seq ?? 1;
    const token = await this.#token(page.node);
    const point = `meridian.resume.${page.epoch}.${seq}`;
    const open = () => TestClient.resuming(nodes[page.node].url, token, point, { nextId: before.nextId + 10 });
    const tries = twice ? [open(), open()] : [open()];
    // Of two at once one is closed; which, the client cannot know before.
    const client = await eventually('a connection is left', () => {
      const left = tries.filter((one) => one.closeInfo === undefined);
      const [only] = left;
      return left.length === 1 && only !== undefined && only.heard.length > 0 ? only : false;
    });
    const welcome = await client.until('welcome');
    expect(welcome).toMatchObject({ resumed: true });
    expect(client.heard[0]?.seq).toBe(seq);
    page.client = client;
    page.epoch = welcome.epoch;
    this.connected = true;
    await before.closed;
  }

  async #refresh(page: Page | undefined, { node, old }: Extract<Op, { kind: 'refresh' }>): Promise<void> {
    let resuming: TestClient | undefined;
    if (page !== undefined && this.connected && old !== 'open') page.client.socket.terminate();
    if (page !== undefined && old === 'resuming') {
      const token = await this.#token(page.node);
      const seq = Math.max(page.heard.at(-1)?.seq ?? 1, page.client.lastSeq);
      resuming = TestClient.resuming(nodes[page.node].url, token, `meridian.resume.${page.epoch}.${seq}`);
      // A page has one life: when the next one is there, it is gone.
      if (node !== page.node) await Promise.race([resuming.closed, resuming.until('welcome')]);
    }
    await this.#enter(node);
    if (resuming !== undefined) await resuming.closed;
    else await page?.client.closed;
  }

  async #enter(node: NodeName): Promise<void> {
    const attached = await cluster.attach(nodes[node], node, this.sessionId, { userId: this.sessionId });
    const roomToken = await cluster.roomToken(attached, this.#roomId);
    const joined = await attached.client.request('join', { roomToken, rtpCapabilities: {} });
    this.connected = true;
    this.page = {
      node,
      transportId: joined.sendTransport.id,
      client: attached.client,
      epoch: attached.welcome.epoch,
      heard: [{ seq: 1, event: 'welcome' }],
      producers: [],
    };
  }

  #token(node: NodeName): Promise<string> {
    return cluster.issuer.session({ sessionId: this.sessionId, nodeId: node, userId: this.sessionId });
  }

  #microphone({ transportId }: Page) {
    return {
      transportId,
      kind: 'audio' as const,
      source: 'microphone' as const,
      rtpParameters: opusParameters(),
    };
  }

  #nextLine(): string {
    this.#lines += 1;
    return `${this.sessionId} says ${this.#lines}`;
  }
}

describe('a storm of broken connections, resumes and refreshes over two nodes', () => {
  test('never loses and never doubles a participant, a stream, a notification or a line', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(op, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
        async (plans) => {
          // Given a room that one observer watches from each node
          const roomId = RoomId.parse(`storm-${randomUUID()}`);
          const observers = await Promise.all(NODES.map((name) => cluster.join(nodes[name], name, roomId)));
          const tabs = plans.map(() => new Tab(roomId));

          // When the tabs' connections break and come back, all at once
          await Promise.all(tabs.map((tab, index) => tab.play(plans[index] ?? [])));

          // Then the room holds who should be there, once, where and as new as it should be, with what they publish
          const expected = whoIsWhere([
            ...observers.map(({ sessionId, nodeId, welcome }) => ({ sessionId, nodeId, epoch: welcome.epoch })),
            ...tabs.flatMap(({ sessionId, page }) =>
              page ? [{ sessionId, nodeId: page.node, epoch: page.epoch }] : [],
            ),
          ]);
          const published = tabs.flatMap(({ page }) => page?.producers ?? []).sort();
          await eventually('the room holds who should be there', async () => {
            const { participants, producers } = await cluster.cluster.rooms.snapshot(roomId);
            expect(whoIsWhere(participants)).toEqual(expected);
            expect(producers.map((one) => one.producerId as string).sort()).toEqual(published);
          });
          // And both nodes have told it so, and every line once
          const said = tabs.flatMap((tab) => tab.said).sort();
          for (const observer of observers) {
            await eventually('the observer was told', () => {
              expect(whoIsWhere(roomView(observer).values())).toEqual(expected);
              const read = observer.client.all('chat').map(({ message }) => message.text);
              expect(read.sort()).toEqual(said);
            });
          }
          // And the media is where its participant is, and nowhere else
          await eventually('the media fits', () => {
            const held = NODES.flatMap((name) =>
              [...(media[name].room(roomId)?.participants.keys() ?? [])].map((sessionId) => `${sessionId} on ${name}`),
            );
            expect(held.sort()).toEqual(expected.map((line) => line.replace(/ in epoch.*/, '')));
          });
          // And every client has heard all its notifications, each once
          for (const { page, connected } of tabs) {
            if (page === undefined || !connected) continue;
            expect(page.client.closeInfo).toBeUndefined();
            const seqs = [...page.heard, ...page.client.heard.filter((one) => one.event !== 'welcome')].map(
              (one) => one.seq,
            );
            expect(seqs).toEqual(seqs.map((_, index) => index + 1));
          }

          await Promise.all(tabs.map((tab) => tab.finish()));
          await Promise.all(observers.map(({ client }) => client.request('leave', {})));
          await eventually('the room is empty', async () => {
            const { participants } = await cluster.cluster.rooms.snapshot(roomId);
            return participants.length === 0 && NODES.every((name) => media[name].room(roomId) === undefined);
          });
        },
      ),
      { numRuns: 60, verbose: 1 },
    );
  });
});
