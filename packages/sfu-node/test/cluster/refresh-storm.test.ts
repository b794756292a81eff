import { randomUUID } from 'node:crypto';
import { eventually } from '@meridian/harness';
import { RoomId } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { roomView, whoIsWhere } from '../support/room-view.ts';
import { opusParameters } from '../support/rtp.ts';
import { type Attached, type Joined, TestCluster } from '../support/test-cluster.ts';

const NODES = ['ams-1', 'sin-1'] as const;
type NodeName = (typeof NODES)[number];

/** How a page goes when it is refreshed or closed. */
type Goodbye = 'leave' | 'close' | 'terminate' | 'none';
/** When the old page's goodbye reaches its node, in relation to the steps of the new page. */
type When = 'before-attach' | 'with-attach' | 'after-welcome' | 'with-join' | 'after-join';

type Op =
  | {
      readonly kind: 'load';
      readonly node: NodeName;
      readonly goodbye: Goodbye;
      readonly when: When;
      readonly publish: boolean;
    }
  /** Refreshed again before the page had joined: it is given up in the middle. */
  | { readonly kind: 'abandon'; readonly node: NodeName; readonly after: 'connect' | 'welcome' | 'join-sent' }
  | { readonly kind: 'quit'; readonly goodbye: Exclude<Goodbye, 'none'> };

const node = fc.constantFrom(...NODES);
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('load' as const),
      node,
      goodbye: fc.constantFrom<Goodbye>('leave', 'close', 'terminate', 'none'),
      when: fc.constantFrom<When>('before-attach', 'with-attach', 'after-welcome', 'with-join', 'after-join'),
      publish: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('abandon' as const),
      node,
      after: fc.constantFrom('connect' as const, 'welcome' as const, 'join-sent' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('quit' as const),
      goodbye: fc.constantFrom('leave' as const, 'close' as const, 'terminate' as const),
    }),
  },
);

let cluster: TestCluster;
let nodes: Record<NodeName, SfuNode>;
let media: Record<NodeName, FakeMediaEngine>;

beforeAll(async () => {
  cluster = await TestCluster.start();
  // Calls into the media take a turn of the event loop, as they do with real workers.
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  media = { 'ams-1': new FakeMediaEngine(turn), 'sin-1': new FakeMediaEngine(turn) };
  nodes = {
    'ams-1': await cluster.startNode('ams-1', { media: media['ams-1'], env: { MERIDIAN_RELAY_GRACE_MS: '0' } }),
    'sin-1': await cluster.startNode('sin-1', { media: media['sin-1'], env: { MERIDIAN_RELAY_GRACE_MS: '0' } }),
  };
});

afterAll(async () => {
  await cluster.stop();
});

function sayGoodbye(page: Attached | undefined, goodbye: Goodbye): void {
  if (page === undefined || page.client.closeInfo !== undefined) return;
  switch (goodbye) {
    case 'leave':
      page.client.request('leave', {}).catch(() => {});
      break;
    case 'close':
      page.client.socket.close();
      break;
    case 'terminate':
      page.client.socket.terminate();
      break;
    case 'none':
      break;
  }
}

/** One tab of one user, whose pages come and go; its session id survives them. */
class Tab {
  readonly sessionId = `tab-${randomUUID().slice(0, 8)}`;
  readonly roomId: RoomId;
  page: Joined | undefined;
  /** Where the tab is by the model; undefined where it has left. */
  at: { node: NodeName; epoch: number } | undefined;

  constructor(roomId: RoomId) {
    this.roomId = roomId;
  }

  async play(ops: readonly Op[]): Promise<void> {
    for (const one of ops) {
      switch (one.kind) {
        case 'load':
          await this.#load(one);
          break;
        case 'abandon':
          await this.#abandon(one);
          break;
        case 'quit':
          sayGoodbye(this.page, one.goodbye);
          await this.page?.client.closed;
          this.page = undefined;
          this.at = undefined;
          break;
      }
    }
  }

  async #load({ node: name, goodbye, when, publish }: Extract<Op, { kind: 'load' }>): Promise<void> {
    const old = this.page;
    const step = async <T>(moments: readonly [When, When], work: () => Promise<T>): Promise<T> => {
      const [during, after] = moments;
      const working = work();
      if (when === during) sayGoodbye(old, goodbye);
      const result = await working;
      if (when === after) sayGoodbye(old, goodbye);
      return result;
    };
    if (when === 'before-attach') sayGoodbye(old, goodbye);
    const attached = await step(['with-attach', 'after-welcome'], () =>
      cluster.attach(nodes[name], name, this.sessionId, { userId: this.sessionId }),
    );
    const roomToken = await cluster.roomToken(attached, this.roomId);
    const joined = await step(['with-join', 'after-join'], () =>
      attached.client.request('join', { roomToken, rtpCapabilities: {} }),
    );
    this.page = { ...attached, joined };
    this.at = { node: name, epoch: attached.welcome.epoch };
    if (!publish) return;
    await attached.client.request('publish', {
      transportId: joined.sendTransport.id,
      kind: 'audio',
      source: 'microphone',
      rtpParameters: opusParameters(),
    });
  }

  /** The page is closed by the browser in the middle of its start; the one before it is gone as well. */
  async #abandon({ node: name, after }: Extract<Op, { kind: 'abandon' }>): Promise<void> {
    sayGoodbye(this.page, 'terminate');
    const token = await cluster.issuer.session({ sessionId: this.sessionId, nodeId: name, userId: this.sessionId });
    const client = cluster.connect(nodes[name], token);
    this.page = undefined;
    this.at = undefined;
    if (after !== 'connect') {
      const welcome = await client.until('welcome');
      const attached: Attached = {
        client,
        welcome,
        sessionId: welcome.sessionId,
        nodeId: welcome.nodeId,
      };
      if (after === 'join-sent') {
        const roomToken = await cluster.roomToken(attached, this.roomId);
        client.request('join', { roomToken, rtpCapabilities: {} }).catch(() => {});
      }
    }
    client.socket.terminate();
    await client.closed;
  }
}

describe('a storm of page refreshes over two nodes', () => {
  test('never loses and never doubles a participant, whatever comes first', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(op, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        async (plans) => {
          // Given a room that one observer watches from each node
          const roomId = RoomId.parse(`storm-${randomUUID()}`);
          const observers = await Promise.all(NODES.map((name) => cluster.join(nodes[name], name, roomId)));
          const tabs = plans.map(() => new Tab(roomId));

          // When the tabs' pages come and go, all at once
          await Promise.all(tabs.map((tab, index) => tab.play(plans[index] ?? [])));

          // Then the room holds who should be there, once, where and as new as it should be
          const expected = whoIsWhere([
            ...observers.map(({ sessionId, nodeId, welcome }) => ({ sessionId, nodeId, epoch: welcome.epoch })),
            ...tabs.flatMap(({ sessionId, at }) => (at ? [{ sessionId, nodeId: at.node, epoch: at.epoch }] : [])),
          ]);
          await eventually('the room holds who should be there', async () => {
            const { participants } = await cluster.cluster.rooms.snapshot(roomId);
            expect(whoIsWhere(participants)).toEqual(expected);
          });
          // And both nodes have told it so
          for (const observer of observers) {
            await eventually('the observer was told', () =>
              expect(whoIsWhere(roomView(observer).values())).toEqual(expected),
            );
          }
          // And the media is where its participant is, and nowhere else
          await eventually('the media fits', () => {
            const held = NODES.flatMap((name) =>
              [...(media[name].room(roomId)?.participants.keys() ?? [])].map((sessionId) => `${sessionId} on ${name}`),
            );
            expect(held.sort()).toEqual(expected.map((line) => line.replace(/ in epoch.*/, '')));
          });
          // And whoever should be there is not told otherwise
          for (const { page } of tabs) expect(page?.client.closeInfo).toBeUndefined();

          for (const { client } of [...observers, ...tabs.flatMap(({ page }) => page ?? [])]) client.socket.terminate();
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
