import type { Detour } from '../../light/detour.ts';
import type { LocalCluster } from '../../local-cluster/index.ts';
import type { LinkReports } from '../../wan/spec.ts';
import { startEmulator, type WanEmulator } from '../../wan/start-emulator.ts';
import type { ClientTask } from '../page/contract.ts';
import type { ArmPlan } from '../scenario/plan.ts';
import { openMember } from './open-member.ts';
import type { LabClient, RunWays } from './stage.ts';
import type { World } from './world.ts';

/** Where a client finds what it talks to: addresses of the emulator instead of the servers' own. */
export interface ClientWay extends Detour {
  /** The session service. */
  readonly serviceUrl: string;
}

/** The emulated links of one run. */
export class RunLinks implements RunWays {
  readonly #world: World;
  readonly #emulator: WanEmulator;
  readonly #ways: ReadonlyMap<string, ClientWay>;

  private constructor(world: World, emulator: WanEmulator, ways: ReadonlyMap<string, ClientWay>) {
    this.#world = world;
    this.#emulator = emulator;
    this.#ways = ways;
  }

  /** @throws MeridianError `config-invalid` for a wrong plan; nothing is left open then. */
  static async open(world: World, plan: ArmPlan, seed: number): Promise<RunLinks> {
    const emulator = await startEmulator({ seed, links: plan.links });
    try {
      if (world.cluster.nodes.size > 1) {
        const relays = plan.routes.filter(({ kind }) => kind === 'relay');
        await emulator.openMesh(
          world.mesh(
            relays.flatMap(({ from, to, up, down }) => [
              { from, to, links: up },
              { from: to, to: from, links: down },
            ]),
          ),
        );
      }
      const ways = new Map<string, ClientWay>();
      for (const client of Object.keys(world.scenario.clients)) {
        ways.set(client, await wayOf(emulator, world.cluster, plan, client));
      }
      return new RunLinks(world, emulator, ways);
    } catch (error) {
      await emulator.close();
      throw error;
    }
  }

  /** @throws Error for a client that is not in the scenario; what opening it throws */
  open(task: Omit<ClientTask, 'url'>, room: string): Promise<LabClient> {
    const way = this.#ways.get(task.name);
    if (way === undefined) throw new Error(`no client ${task.name}`);
    const { browser, recordings } = this.#world;
    const { serviceUrl, ...detour } = way;
    return openMember({ ...task, url: `${serviceUrl}/r/${room}` }, { browser, recordings, detour });
  }

  startSchedules(): Promise<void> {
    return this.#emulator.startSchedules();
  }

  report(): Promise<LinkReports> {
    return this.#emulator.report();
  }

  close(): Promise<void> {
    return this.#emulator.close();
  }
}

async function wayOf(emulator: WanEmulator, cluster: LocalCluster, plan: ArmPlan, client: string): Promise<ClientWay> {
  const tcp: Record<number, number> = {};
  const udp: Record<number, number> = {};
  let serviceUrl = cluster.url;
  for (const { kind, from, to, up, down } of plan.routes) {
    if (from !== client) continue;
    const route = { up: [...up], down: [...down] };
    if (kind === 'media') {
      const { rtcPort } = cluster.node(to);
      udp[rtcPort] = (await emulator.openUdp({ target: { port: rtcPort }, ...route })).port;
    } else if (kind === 'signalling') {
      const { httpPort } = cluster.node(to);
      tcp[httpPort] = (await emulator.openTcp({ target: { port: httpPort }, ...route })).port;
    } else if (kind === 'service') {
      const port = Number(new URL(cluster.url).port);
      const opened = await emulator.openTcp({ target: { port }, ...route });
      serviceUrl = `http://localhost:${opened.port}`;
    }
  }
  return { serviceUrl, tcp, udp };
}
