import { eventually } from '@meridian/harness';
import { metricOf } from '../agreement.ts';
import { nowMs } from '../call.ts';
import { check, type Fault } from '../fault.ts';
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
    return { faultMs, victims: await call.namesOn(nodeId), checks };
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
    const faultMs = nowMs();
    await cutOff(stage, true);
    const checks = [
      await check('the relays are shown as down', () => relaysDown(stage, true)),
      await check('the people are told of it', async () => {
        await eventually(
          'relay-trouble reached somebody on each side',
          async () => {
            const told = [...(await call.recordings())].filter(([, { signals }]) =>
              signals.some(({ event, atMs }) => event === 'relay-trouble' && atMs > faultMs),
            );
            return told.length >= 2;
          },
          { withinMs: 20_000, everyMs: 250 },
        );
      }),
    ];
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, faultMs + (quick ? 8_000 : 20_000) - nowMs())));
    await cutOff(stage, false);
    const mendedMs = nowMs();
    checks.push(await check('the relays are up again', () => relaysDown(stage, false)));
    return { faultMs, mendedMs, victims: await call.namesOn(ODD_NODE), checks };
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
    const faultMs = nowMs();
    await cutPipes(stage, true);
    const checks = [await check('the relays are shown as down', () => relaysDown(stage, true))];
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, faultMs + (quick ? 8_000 : 20_000) - nowMs())));
    await cutPipes(stage, false);
    const mendedMs = nowMs();
    checks.push(await check('the relays are up again', () => relaysDown(stage, false)));
    return { faultMs, mendedMs, victims: await call.namesOn(ODD_NODE), checks };
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

/** Nodes with a link to the one that is cut off, and that one, say so in their metrics. */
async function relaysDown(stage: Stage, down: boolean): Promise<string> {
  const startedMs = nowMs();
  await eventually(
    down ? 'both sides count relays that are down' : 'nobody counts a relay that is down',
    async () => {
      const counts = await Promise.all(
        [...stage.cluster.nodes].map(async ([nodeId, { url }]) => {
          const text = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(3_000) })).text();
          return { nodeId, down: metricOf(text, 'meridian_relay_links_down') };
        }),
      );
      if (!down) return counts.every((one) => one.down === 0);
      const odd = counts.find(({ nodeId }) => nodeId === ODD_NODE);
      return (odd?.down ?? 0) > 0 && counts.some((one) => one.nodeId !== ODD_NODE && one.down > 0);
    },
    { withinMs: 30_000, everyMs: 250 },
  );
  return `after ${((nowMs() - startedMs) / 1_000).toFixed(1)} s`;
}

export const networkFaults: readonly Fault[] = [webSocketCut, partition, deadPipes];
