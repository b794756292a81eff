import { eventually } from '@meridian/harness';
import { metricOf } from '../agreement.ts';
import { type Call, NAMES, nowMs } from '../call.ts';
import { check, type Fault } from '../fault.ts';
import { nodesAnswerTheirPages } from '../newcomer.ts';
import { ODD_NODE, type Stage } from '../stage.ts';

const webSocketCut: Fault = {
  id: 'websocket-cut',
  title: "somebody's WebSocket is cut",
  stage: 'gates',
  media: 'kept',
  async strike(call) {
    const nodeId = await call.nodeOf('Chi');
    const gate = call.stage.gates.webSocket.get(nodeId);
    if (gate === undefined) throw new Error(`there is no gate in front of ${nodeId}`);
    const victims = await call.namesOn(nodeId);
    const before = await call.snapshot();
    const faultMs = nowMs();
    gate.drop();
    const checks = [
      await check('the session was resumed, not joined again', async () => {
        const [signals] = await eventually(
          'Chi is connected again',
          async () => {
            const recording = (await call.recordings()).get('Chi');
            const welcomes =
              recording?.signals.filter(({ event, atMs }) => event === 'welcome' && atMs > faultMs) ?? [];
            return welcomes.length > 0 && welcomes;
          },
          { withinMs: 20_000 },
        );
        if (signals?.detail !== 'true') throw new Error('the node made a new session of it');
      }),
      await check('nothing that was published changed', async () => {
        const ids = (one: typeof before) => one.producers.map(({ producerId }) => producerId).sort();
        const now = await call.snapshot();
        if (ids(now).join() !== ids(before).join()) throw new Error('there are other producers now');
      }),
    ];
    return { faultMs, victims, checks };
  },
};

/** Cuts one node off from Redis and from the other nodes; its own people still reach it. */
const partition: Fault = {
  id: 'partition',
  title: 'a node is cut off from the others (bus and pipes) for 20 s',
  stage: 'gates',
  media: 'back',
  async strike(call, { quick }) {
    const { stage } = call;
    const inside = await call.namesOn(ODD_NODE);
    const outside = NAMES.filter((name) => !inside.includes(name));
    const faultMs = nowMs();
    await cutOff(stage, true);
    const checks = [
      await check('the node that is cut off shows its relays as down', () => relaysDown(stage, [ODD_NODE])),
      await check('its people are told of it', () => areTold(call, inside, ['relay-trouble'], faultMs)),
      await check('the others see them in trouble, or gone', () =>
        areTold(call, outside, ['relay-trouble', 'participant-left'], faultMs),
      ),
      await check('nodes answer their pages meanwhile', () => nodesAnswerTheirPages(call, NAMES)),
    ];
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, faultMs + (quick ? 8_000 : 20_000) - nowMs())));
    await cutOff(stage, false);
    const mendedMs = nowMs();
    checks.push(await check('no relay is shown as down any more', () => relaysDown(stage, [])));
    return { faultMs, mendedMs, victims: inside, checks };
  },
};

/** Only the pipes: the nodes hear of each other over the bus, but no media comes through. */
const deadPipes: Fault = {
  id: 'dead-pipes',
  title: 'the pipes between two nodes carry nothing for 20 s',
  stage: 'gates',
  media: 'back',
  async strike(call, { quick }) {
    const { stage } = call;
    const inside = await call.namesOn(ODD_NODE);
    const faultMs = nowMs();
    await cutPipes(stage, true);
    const checks = [
      await check('both sides show the relays as down', async () => relaysDown(stage, await nodesOf(call))),
      await check('everybody is told of it', () => areTold(call, NAMES, ['relay-trouble'], faultMs)),
    ];
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, faultMs + (quick ? 8_000 : 20_000) - nowMs())));
    await cutPipes(stage, false);
    const mendedMs = nowMs();
    checks.push(await check('no relay is shown as down any more', () => relaysDown(stage, [])));
    return { faultMs, mendedMs, victims: inside, checks };
  },
};

async function cutOff(stage: Stage, cut: boolean): Promise<void> {
  const gate = stage.gates.redis.get(ODD_NODE);
  if (cut) gate?.hold();
  else gate?.mend();
  await cutPipes(stage, cut);
}

async function cutPipes(stage: Stage, cut: boolean): Promise<void> {
  for (const other of stage.cluster.nodes.keys()) {
    if (other === ODD_NODE) continue;
    for (const link of [`${ODD_NODE}>${other}`, `${other}>${ODD_NODE}`]) {
      await stage.gates.pipes.change(link, { outage: cut });
    }
  }
}

const nodesOf = async (call: Call): Promise<string[]> => [
  ...new Set((await call.snapshot()).participants.map(({ nodeId }) => nodeId)),
];

/** @throws Error unless exactly these nodes come to count relays that are down */
async function relaysDown(stage: Stage, wanted: readonly string[]): Promise<string> {
  const startedMs = nowMs();
  await eventually(
    wanted.length > 0 ? `${wanted.join(' and ')} count relays that are down` : 'nobody counts a relay that is down',
    async () => {
      for (const [nodeId, { url }] of stage.cluster.nodes) {
        const text = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(3_000) })).text();
        const isDown = metricOf(text, 'meridian_relay_links_down') > 0;
        if (wanted.includes(nodeId) && !isDown) throw new Error(`${nodeId} counts none`);
        if (wanted.length === 0 && isDown) throw new Error(`${nodeId} counts one`);
      }
    },
    { withinMs: 30_000, everyMs: 250 },
  );
  return `after ${((nowMs() - startedMs) / 1_000).toFixed(1)} s`;
}

/** @throws Error unless each of these people comes to be told one of these things */
async function areTold(
  call: Call,
  names: readonly string[],
  events: readonly string[],
  sinceMs: number,
): Promise<void> {
  await eventually(
    `${names.join(', ')} are told ${events.join(' or ')}`,
    async () => {
      const recordings = await call.recordings();
      for (const name of names) {
        const told = recordings.get(name)?.signals.some(({ event, atMs }) => events.includes(event) && atMs > sinceMs);
        if (!told) throw new Error(`${name} was not`);
      }
    },
    { withinMs: 30_000, everyMs: 250 },
  );
}

export const networkFaults: readonly Fault[] = [webSocketCut, partition, deadPipes];
