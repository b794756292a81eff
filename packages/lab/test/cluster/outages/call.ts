import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCluster } from '@meridian/cluster';
import { eventually } from '@meridian/harness';
import { ErrorReply, type ProducerId } from '@meridian/protocol';
import { expect } from 'vitest';
import { metricOf } from '../../../src/faults/agreement.ts';
import { createRoom, enterAsGuest } from '../../../src/light/api.ts';
import { LOCAL_REGIONS, LocalCluster, type LocalClusterOptions } from '../../../src/local-cluster/index.ts';
import { Peer } from './peer.ts';

/** Short, so that the tests are, and long enough for processes that wait for their turn on a busy machine. */
export const QUICK = { MERIDIAN_LEASE_MS: '2500', MERIDIAN_REDIS_TIMEOUT_MS: '800' };

/** Two nodes and a session service as processes of their own. */
export async function startCluster(
  options: Partial<LocalClusterOptions> = {},
): Promise<LocalCluster & { remove(): Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meridian-outages-'));
  const cluster = await LocalCluster.start({
    dataDir,
    regions: LOCAL_REGIONS.slice(0, 2),
    ...options,
    nodeEnv: { ...QUICK, ...options.nodeEnv },
    sessionApiEnv: { MERIDIAN_GEOIP_DB: 'none', ...QUICK, ...options.sessionApiEnv },
  });
  return Object.assign(cluster, {
    async remove() {
      await cluster.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  });
}

/** What a node says of itself, as its workers and its process count it. */
const COUNTED = [
  'sessions',
  'participants',
  'rooms',
  'producers',
  'consumers',
  'transports',
  'relay_links',
  'chores',
] as const;
type Counted = Readonly<Record<(typeof COUNTED)[number], number>>;

export async function countsOf(cluster: LocalCluster, nodeId: string): Promise<Counted> {
  const response = await fetch(`${cluster.node(nodeId).url}/metrics`, { signal: AbortSignal.timeout(3_000) });
  const text = await response.text();
  const entries = COUNTED.map((name) => [name, metricOf(text, `meridian_${name}`)] as const);
  return Object.fromEntries(entries) as Counted;
}

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly retryAfterS: number;
}

export type TestCall = Awaited<ReturnType<typeof startCall>>;

/** Ann and Cid in Amsterdam, Bob in Singapore; all talk; Bob hears Ann, Cid hears both. */
export async function startCall(cluster: LocalCluster) {
  const { url } = cluster;
  const room = await createRoom(url);
  const state = await openCluster({ url: cluster.redisUrl, keyPrefix: cluster.redisPrefix, commandTimeoutMs: 500 });
  const newcomer = await enterAsGuest(url, 'Newcomer');
  const [ann, cid, bob] = [
    await Peer.join({ url, room, name: 'Ann', region: 'eu-west' }),
    await Peer.join({ url, room, name: 'Cid', region: 'eu-west' }),
    await Peer.join({ url, room, name: 'Bob', region: 'ap-southeast' }),
  ];
  const people = [ann, bob, cid];
  const mics = { ann: await ann.talk(), bob: await bob.talk(), cid: await cid.talk() };
  const bobHears = await bob.listen(mics.ann);
  const cidHears = await cid.listen(mics.ann, mics.bob);
  for (const other of [mics.bob, mics.cid])
    await ann.until('consumer-opened', ({ producerId }) => producerId === other);
  await bob.until('consumer-opened', ({ producerId }) => producerId === mics.cid);
  const { roomId } = ann.joined;
  const received = () => [bobHears(mics.ann), cidHears(mics.ann), cidHears(mics.bob)];
  const counts = async () => ({
    ams: await countsOf(cluster, ann.nodeId),
    sin: await countsOf(cluster, bob.nodeId),
  });

  /** Everybody hears everybody: many more packets than at the call. */
  const mediaFlows = async () => {
    const before = received();
    await eventually('media flows, within a node and between the two', () => {
      const more = received().map((count, index) => count - (before[index] ?? 0));
      if (more.every((count) => count > 30)) return;
      // What was closed is not followed here: nothing may take the place of media that run on.
      const closed = people.flatMap((one) => one.all('consumer-closed').map(() => one.name));
      throw new Error(`packets: ${more.join(', ')}; consumers were closed of: ${closed.join(', ') || 'nobody'}`);
    });
  };
  await mediaFlows();

  return {
    cluster,
    state,
    url,
    room,
    roomId,
    ann,
    bob,
    cid,
    mics,
    mediaFlows,
    counts,
    /** How a newcomer is refused; undefined when it gets a session. */
    async refusal(): Promise<Refusal | undefined> {
      const response = await fetch(`${url}/v1/sessions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${newcomer}` },
        body: JSON.stringify({ room }),
        signal: AbortSignal.timeout(10_000),
      });
      const body: unknown = await response.json();
      if (response.ok) return undefined;
      const { error } = ErrorReply.parse(body);
      return { status: response.status, code: error.code, retryAfterS: Number(response.headers.get('retry-after')) };
    },
    /** Does the room's state say what the three and their microphones are, and where? */
    async expectState(expected: { producers: readonly ProducerId[]; people?: readonly Peer[] }): Promise<void> {
      await eventually(
        'the state in Redis is what runs',
        async () => {
          const { participants, producers } = await state.rooms.snapshot(roomId);
          const seen = participants.map(({ sessionId, nodeId, connection }) => `${sessionId} ${nodeId} ${connection}`);
          const there = (expected.people ?? people).map((one) => `${one.sessionId} ${one.nodeId} connected`);
          expect(seen.sort()).toEqual(there.sort());
          expect(producers.map(({ producerId }) => producerId).sort()).toEqual([...expected.producers].sort());
          const nodes = await state.registry.list();
          expect(nodes.map(({ record }) => record.nodeId).sort()).toEqual([...cluster.nodes.keys()].sort());
          for (const { sessionId, nodeId } of participants) {
            expect(await state.leases.find(nodeId, sessionId)).toMatchObject({ sessionId });
          }
        },
        { withinMs: 30_000, everyMs: 100 },
      );
    },
    async expectCounts(expected: Awaited<ReturnType<typeof counts>>): Promise<void> {
      await eventually('the nodes hold what they held', async () => expect(await counts()).toEqual(expected), {
        withinMs: 20_000,
        everyMs: 100,
      });
    },
    /** Nobody was told that anybody left, nobody was thrown out. */
    expectNobodyLeft(): void {
      for (const one of people) {
        expect(one.closed).toBeUndefined();
        expect(one.all('participant-left'), one.name).toEqual([]);
        expect(one.all('media-lost'), one.name).toEqual([]);
        for (const other of people) {
          const joins = one.all('participant-joined').filter((j) => j.participant.sessionId === other.sessionId);
          expect(joins.length, `${one.name} was told of ${other.name}`).toBeLessThanOrEqual(1);
        }
      }
    },
    async end(): Promise<void> {
      await Promise.all(people.map((one) => one.leave()));
      await state.close();
    },
  };
}
