import { CreateSessionReply, isMeridianError, MeridianError, type NodeCandidate, NodesReply } from '@meridian/protocol';
import { enterAsGuest, get, post } from '../../light/api.ts';
import type { Scenario } from '../scenario/schema.ts';

/** Which node of a cluster stands for each of the scenario's, by region. */
export type NodeIds = ReadonlyMap<string, string>;

/**
 * Checks that a scenario can be played on a cluster that is there already: one node that takes people in every region that an arm
 * uses, forced regions allowed, nothing in the scenario that only emulated links can do.
 * @param url of the session service
 * @throws MeridianError `config-invalid` with everything that is missing
 */
export async function checkCluster(url: string, scenario: Scenario): Promise<NodeIds> {
  const { nodes } = await get(NodesReply, `${url}/v1/nodes`).catch((cause: unknown) => {
    throw new MeridianError('config-invalid', {
      message: `${url} does not answer as a session service does: ${whyOf(cause)}`,
      cause,
    });
  });
  const { found, problems } = findNodes(scenario, nodes);
  if (problems.length > 0) {
    const list = problems.map((problem) => `\n  ${problem}`).join('');
    throw new MeridianError('config-invalid', { message: `${scenario.name} cannot be played on ${url}:${list}` });
  }
  const [first] = found.keys();
  const region = first === undefined ? undefined : scenario.nodes[first]?.region;
  if (region !== undefined) await checkForcing(url, region);
  return found;
}

/** A node for each that an arm uses, and a sentence for everything that is in the way. */
export function findNodes(
  scenario: Scenario,
  nodes: readonly NodeCandidate[],
): { found: NodeIds; problems: readonly string[] } {
  const found = new Map<string, string>();
  const problems: string[] = [];
  const there = [...new Set(nodes.map(({ region }) => region))].join(', ') || 'none';
  const used = new Set(scenario.arms.flatMap(({ at }) => Object.values(at)));
  for (const [name, { region, place }] of Object.entries(scenario.nodes)) {
    if (!used.has(name)) continue;
    const candidates = nodes.filter((node) => node.region === region);
    const [ready, ...others] = candidates.filter(({ state }) => state === 'ready');
    if (ready === undefined) {
      problems.push(
        candidates.length === 0
          ? `no node in region ${region} (${name}, ${place}); the cluster has nodes in: ${there}`
          : `no node in region ${region} (${name}, ${place}) takes people: ${candidates.map(({ nodeId }) => nodeId).join(', ')} is draining`,
      );
    } else if (others.length > 0) {
      const ids = [ready, ...others].map(({ nodeId }) => nodeId).join(', ');
      problems.push(
        `region ${region} has several nodes (${ids}), and each run could be on another one: drain all but one`,
      );
    } else found.set(name, ready.nodeId);
  }
  for (const { name, extra } of scenario.arms) {
    if (extra.length > 0) problems.push(`arm ${name} adds links ("extra"), which only emulated networks can do`);
  }
  return { found, problems };
}

/** fetch says "fetch failed" and keeps the reason for whoever asks. */
function whyOf(error: unknown): string {
  const inner = error instanceof Error ? error.cause : undefined;
  return inner instanceof Error ? inner.message : String(error);
}

/** Asks for a place in a region, as the clients will; nobody takes it, so it is free again within seconds. */
async function checkForcing(url: string, region: string): Promise<void> {
  try {
    const token = await enterAsGuest(url, 'Meridian lab');
    await post(CreateSessionReply, `${url}/v1/sessions`, { region }, token);
  } catch (error) {
    if (!isMeridianError(error, 'region-forced-refused')) throw error;
    throw new MeridianError('config-invalid', {
      message: `${url} lets nobody choose a region, and arms are forced by region: set MERIDIAN_ALLOW_FORCED_REGION=true on the session service for the time of the experiment`,
      cause: error,
    });
  }
}
