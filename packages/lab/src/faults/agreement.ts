import { randomUUID } from 'node:crypto';
import { type BusReplyData, NodeId, type RoomSnapshot } from '@meridian/protocol';
import { type Call, NAMES, nowMs } from './call.ts';
import { TONES_HZ } from './recorder.ts';
import type { Stage } from './stage.ts';

type Half = BusReplyData<'relay.list'>['links'][number];

/**
 * Does everything say the same: the room's state in Redis, both ends of every relay link, what every node holds,
 * and what each page shows and plays?
 * @param sparing stops at the first of these that does not agree: the later ones cost nodes and pages the most, a tenth of a
 *   second of work all at once, which shows in the media that is measured
 * @returns what does not agree, in words; empty when all is well
 */
export async function disagreements(call: Call, { sparing = false } = {}): Promise<string[]> {
  const { stage } = call;
  const room = await call.snapshot();
  const found = roomProblems(room);
  const nodes = [...new Set(room.participants.map(({ nodeId }) => nodeId))];
  for (const look of [
    async () => linkProblems(await relayHalves(stage), nodes),
    () => nodeProblems(stage, room),
    () => pageProblems(call),
  ]) {
    if (sparing && found.length > 0) return found;
    found.push(...(await look()));
  }
  return found;
}

function roomProblems({ participants, producers }: RoomSnapshot): string[] {
  const found: string[] = [];
  const names = participants.map(({ name }) => name).sort();
  if (names.join() !== [...NAMES].sort().join()) found.push(`Redis has ${names.join(', ') || 'nobody'} in the room`);
  for (const { name, sessionId, nodeId, connection } of participants) {
    if (connection !== 'connected') found.push(`Redis has ${name} as ${connection}`);
    const own = producers.filter((producer) => producer.sessionId === sessionId);
    const sources = own.map(({ source }) => source).sort();
    if (sources.join() !== 'camera,microphone') found.push(`Redis has ${sources.join(', ') || 'nothing'} of ${name}`);
    if (own.some((producer) => producer.nodeId !== nodeId)) found.push(`${name} is on one node and sends from another`);
  }
  for (const { sessionId } of producers) {
    if (!participants.some((one) => one.sessionId === sessionId)) found.push('Redis has media of somebody who is gone');
  }
  return found;
}

async function nodeProblems(stage: Stage, { participants }: RoomSnapshot): Promise<string[]> {
  const found: string[] = [];
  for (const nodeId of runningNodes(stage)) {
    const here = participants.filter((one) => one.nodeId === nodeId).length;
    found.push(
      ...(await differences(stage, nodeId, { participants: here, sessions: here, rooms: here > 0 ? 1 : 0, chores: 0 })),
    );
  }
  return found;
}

/** After the call: is anything left of it? @returns what, in words */
export async function leftovers(stage: Stage): Promise<string[]> {
  const found: string[] = [];
  for (const nodeId of runningNodes(stage)) {
    found.push(
      ...(await differences(stage, nodeId, {
        participants: 0,
        sessions: 0,
        connections: 0,
        rooms: 0,
        producers: 0,
        consumers: 0,
        transports: 0,
        relay_links: 0,
        chores: 0,
      })),
    );
  }
  for (const { roomId } of await stage.state.rooms.listActive()) found.push(`Redis still has somebody in ${roomId}`);
  return found;
}

/** Each pair of nodes in the room needs one link each way, known to both ends. */
function linkProblems(halves: ReadonlyMap<string, readonly Half[]>, nodes: readonly string[]): string[] {
  const found: string[] = [];
  const all = [...halves].flatMap(([nodeId, links]) => links.map((link) => ({ nodeId, ...link })));
  for (const link of all) {
    const other = all.filter((one) => one.linkId === link.linkId && one.role !== link.role);
    if (other.length !== 1) found.push(`${link.nodeId} alone knows a relay link with ${link.remoteNodeId}`);
  }
  for (const puller of nodes) {
    for (const origin of nodes.filter((node) => node !== puller)) {
      const count = all.filter(
        (one) => one.role === 'puller' && one.nodeId === puller && one.remoteNodeId === origin,
      ).length;
      if (count !== 1) found.push(`${puller} has ${count} relay links from ${origin}`);
    }
  }
  const expected = nodes.length * (nodes.length - 1);
  const pulled = all.filter(({ role }) => role === 'puller').length;
  if (pulled > expected) found.push(`${pulled} relay links instead of ${expected}`);
  return found;
}

/** One that was killed holds nothing. */
const runningNodes = (stage: Stage): string[] =>
  [...stage.cluster.nodes].flatMap(([nodeId, { child }]) => (child.running ? [nodeId] : []));

async function relayHalves(stage: Stage): Promise<Map<string, readonly Half[]>> {
  const asker = await stage.state.inbox(NodeId.parse(`lab-${randomUUID().slice(0, 8)}`));
  try {
    const ask = async (nodeId: string) => {
      const { links } = await asker.request(NodeId.parse(nodeId), 'relay.list', {}, { ttlMs: 2_000 });
      return [nodeId, links] as const;
    };
    return new Map(await Promise.all(runningNodes(stage).map(ask)));
  } finally {
    await asker.close();
  }
}

/** Time without a new picture or sound after which somebody counts as not seen or heard. Milliseconds. */
const STALE_MS = 1_000;
/** An agreement has to last: right after a fault nobody has noticed anything yet. Milliseconds. */
const LASTING_MS = 2_000;

/** Everybody sees exactly everybody, and a picture and a sound of each came just now. */
async function pageProblems(call: Call): Promise<string[]> {
  const found: string[] = [];
  const latest = await call.latest();
  for (const viewer of NAMES) {
    const shown = (await call.person(viewer).tiles()).map(({ name }) => name);
    const missing = NAMES.filter((name) => shown.filter((one) => one.includes(name)).length !== 1);
    if (missing.length > 0 || shown.length !== NAMES.length) found.push(`${viewer} is shown ${shown.join(', ')}`);
    const own = latest.get(viewer);
    if (own === undefined) continue;
    for (const [index, name] of NAMES.entries()) {
      if (name === viewer) continue;
      const seenMs = Object.entries(own.seen).map(([tile, at]) => (tile.includes(name) ? at : 0));
      if (own.now - Math.max(0, ...seenMs) > STALE_MS) found.push(`${viewer} does not see ${name} move`);
      const heardMs = own.heard[String(TONES_HZ[index])] ?? 0;
      if (own.now - heardMs > STALE_MS) found.push(`${viewer} does not hear ${name}`);
    }
  }
  return found;
}

/** A tile's name may say more than the name (such as who is oneself). */
export function framesOf(frames: Readonly<Record<string, number[]>>, name: string): number[] {
  return Object.entries(frames)
    .filter(([shown]) => shown.includes(name))
    .flatMap(([, moments]) => moments)
    .sort((a, b) => a - b);
}

async function differences(
  stage: Stage,
  nodeId: string,
  expected: Readonly<Record<string, number>>,
): Promise<string[]> {
  const text = await (
    await fetch(`${stage.cluster.node(nodeId).url}/metrics`, { signal: AbortSignal.timeout(3_000) })
  ).text();
  return Object.entries(expected).flatMap(([name, value]) => {
    const is = metricOf(text, `meridian_${name}`);
    return is === value ? [] : [`${nodeId} holds ${is} ${name.replaceAll('_', ' ')} instead of ${value}`];
  });
}

/** A metric's value in Prometheus' text form, summed over its series. */
export function metricOf(text: string, name: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/**
 * Waits until nothing disagrees any more, for two seconds on end.
 * @param everyMs a look costs this machine a good tenth of a second of work: rarer ones are for measurements that it would disturb
 * @returns how long it took to the beginning of that, and what still disagrees when the time is over
 */
export async function untilAgreed(
  look: () => Promise<string[]>,
  withinMs: number,
  everyMs = 100,
): Promise<{ afterMs: number; problems: string[] }> {
  const startedMs = nowMs();
  let agreedMs: number | undefined;
  for (;;) {
    const lookedMs = nowMs();
    const problems = await look().catch((error: unknown) => [`could not be looked at: ${String(error)}`]);
    if (problems.length > 0) agreedMs = undefined;
    else agreedMs ??= lookedMs;
    if (agreedMs !== undefined && nowMs() - agreedMs >= LASTING_MS) return { afterMs: agreedMs - startedMs, problems };
    if (agreedMs === undefined && nowMs() - startedMs > withinMs) return { afterMs: nowMs() - startedMs, problems };
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
