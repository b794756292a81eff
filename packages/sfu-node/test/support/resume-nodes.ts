import type { SfuNode } from '@meridian/sfu-node';
import { FakeMediaEngine } from './fake-media.ts';
import { HandClock } from './hand-clock.ts';
import { Samples } from './samples.ts';
import type { TestCluster } from './test-cluster.ts';

/** A participant whose connection was lost stays for a quarter of a minute. */
const WINDOW = { MERIDIAN_RESUME_WINDOW_MS: '15000' };

/** Two nodes to which lost connections can come back; relays end as soon as nobody wants them. */
export async function startResumeNodes(cluster: TestCluster): Promise<{
  ams: SfuNode;
  sin: SfuNode;
  media: { ams: FakeMediaEngine; sin: FakeMediaEngine };
}> {
  const media = { ams: new FakeMediaEngine(), sin: new FakeMediaEngine() };
  const env = { ...WINDOW, MERIDIAN_RELAY_GRACE_MS: '0' };
  const ams = await cluster.startNode('ams-1', { media: media.ams, env });
  const sin = await cluster.startNode('sin-1', { media: media.sin, env });
  return { ams, sin, media };
}

/** A node whose timers the test lets run. */
export async function startSlowNode(
  cluster: TestCluster,
  name: string,
  env: Record<string, string> = {},
): Promise<{ node: SfuNode; clock: HandClock }> {
  const clock = new HandClock();
  const node = await cluster.startNode(name, {
    media: new FakeMediaEngine(),
    clock,
    env: { ...WINDOW, MERIDIAN_DEAD_AFTER_MS: '600000', ...env },
  });
  return { node, clock };
}

/** How many participants of the node have lost their connection and may come back. */
export const suspended = async (node: SfuNode) =>
  new Samples(await (await fetch(`${node.url}/metrics`)).text()).value('meridian_participants_suspended');
