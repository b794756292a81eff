import { MeridianError } from '@meridian/protocol';
import { LinkSettings } from '../../wan/model/settings.ts';
import type { Profile } from '../../wan/profiles.ts';
import type { Route } from '../record/schema.ts';
import type { Arm, Hop, Scenario } from './schema.ts';

/** An arm with everything looked up: what the emulator is to do and who meets which links. */
export interface ArmPlan {
  readonly arm: Arm;
  /** Nodes that somebody is attached to in this arm, in the order of the scenario. */
  readonly nodes: readonly string[];
  readonly links: Readonly<Record<string, LinkSettings>>;
  readonly routes: readonly Route[];
}

/** Both directions of a path by the names of its links, from its first end to its second and back. */
interface Way {
  readonly there: readonly string[];
  readonly back: readonly string[];
}

/**
 * Turns an arm into links and routes. A link's name begins with whose it is: `anna/home-fibre/forward` is the last mile
 * of Anna towards the network, `anna~sin/amsterdam-singapore/backward` the long line from Singapore to her.
 * Without links, on real servers, both stay empty.
 * @throws MeridianError `config-invalid` for an unknown arm or profile.
 */
export function planArm(
  scenario: Scenario,
  armName: string,
  profiles: ReadonlyMap<string, Profile>,
  { links: laid = true }: { readonly links?: boolean } = {},
): ArmPlan {
  const arm = scenario.arms.find(({ name }) => name === armName);
  if (arm === undefined) {
    const known = scenario.arms.map(({ name }) => name).join(', ');
    throw new MeridianError('config-invalid', {
      message: `${scenario.name} has no arm "${armName}"; there are: ${known}`,
    });
  }
  const nodes = Object.keys(scenario.nodes).filter((node) => Object.values(arm.at).includes(node));
  if (!laid) return { arm, nodes, links: {}, routes: [] };
  const links: Record<string, LinkSettings> = {};
  const lay = (owner: string, hops: readonly Hop[]): Way => {
    const there: string[] = [];
    for (const hop of hops) {
      const { name, forward, backward } = resolve(hop, profiles);
      let base = `${owner}/${name}`;
      // The same profile twice on one path is two links.
      for (let copy = 2; there.includes(`${base}/forward`); copy += 1) base = `${owner}/${name}-${copy}`;
      links[`${base}/forward`] = forward;
      links[`${base}/backward`] = backward;
      there.push(`${base}/forward`);
    }
    return { there, back: there.map((name) => name.replace(/forward$/, 'backward')).reverse() };
  };
  const lastMiles = new Map(
    Object.entries(scenario.clients).map(([client, { lastMile }]) => [
      client,
      lay(client, [...lastMile, ...extraLastMile(arm, client)]),
    ]),
  );
  const long = new Map<string, Way>();
  const between = (a: string, b: string): Way => {
    const known = long.get(`${a} ${b}`);
    if (known !== undefined) return known;
    const path = scenario.paths.find(({ between: [x, y] }) => (x === a && y === b) || (x === b && y === a));
    if (path === undefined) throw new MeridianError('config-invalid', { message: `no path between ${a} and ${b}` });
    const [first, second] = path.between;
    const way = lay(`${first}~${second}`, [...path.over, ...extraBetween(arm, first, second)]);
    long.set(`${first} ${second}`, way);
    long.set(`${second} ${first}`, { there: way.back, back: way.there });
    return first === a ? way : { there: way.back, back: way.there };
  };
  const routes: Route[] = [];
  for (const client of Object.keys(scenario.clients)) {
    const near = lastMiles.get(client) ?? { there: [], back: [] };
    const to = (node: string) => {
      const far = between(client, node);
      return { up: [...near.there, ...far.there], down: [...far.back, ...near.back] };
    };
    const node = arm.at[client];
    if (node === undefined) continue;
    routes.push({ kind: 'media', from: client, to: node, ...to(node) });
    routes.push({ kind: 'signalling', from: client, to: node, ...to(node) });
    routes.push({ kind: 'service', from: client, to: scenario.service, ...to(scenario.service) });
  }
  for (const [index, one] of nodes.entries()) {
    for (const other of nodes.slice(index + 1)) {
      const { there, back } = between(one, other);
      routes.push({ kind: 'relay', from: one, to: other, up: there, down: back });
    }
  }
  return { arm, nodes, links, routes };
}

const extraLastMile = ({ extra }: Arm, client: string): readonly Hop[] =>
  extra.flatMap((added) => ('lastMile' in added && added.lastMile === client ? added.over : []));

const extraBetween = ({ extra }: Arm, first: string, second: string): readonly Hop[] =>
  extra.flatMap((added) => {
    if ('lastMile' in added) return [];
    const [x, y] = added.between;
    if (x === first && y === second) return added.over;
    return x === second && y === first ? added.over.map(turned).reverse() : [];
  });

/** The same link seen from its other end. */
function turned(hop: Hop): Hop {
  if (typeof hop === 'string') return { profile: hop, reversed: true };
  if ('profile' in hop) return { profile: hop.profile, reversed: !hop.reversed };
  return { name: hop.name, both: hop.both, forward: hop.backward, backward: hop.forward };
}

function resolve(
  hop: Hop,
  profiles: ReadonlyMap<string, Profile>,
): { name: string; forward: LinkSettings; backward: LinkSettings } {
  if (typeof hop !== 'string' && 'name' in hop) {
    const free = () => LinkSettings.parse({});
    return { name: hop.name, forward: hop.both ?? hop.forward ?? free(), backward: hop.both ?? hop.backward ?? free() };
  }
  const { profile: name, reversed } = typeof hop === 'string' ? { profile: hop, reversed: false } : hop;
  const profile = profiles.get(name);
  if (profile === undefined) {
    throw new MeridianError('config-invalid', {
      message: `there is no profile "${name}"; there are: ${[...profiles.keys()].join(', ')}`,
    });
  }
  const { forward, backward } = profile;
  return reversed ? { name, forward: backward, backward: forward } : { name, forward, backward };
}
