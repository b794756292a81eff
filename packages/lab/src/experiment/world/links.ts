import type { LocalCluster } from '../../local-cluster/index.ts';
import { startEmulator, type WanEmulator } from '../../wan/start-emulator.ts';
import type { ArmPlan } from '../scenario/plan.ts';
import type { World } from './world.ts';

/** Where a client finds what it talks to: addresses of the emulator instead of the servers' own. */
export interface ClientWay {
  /** The session service. */
  readonly serviceUrl: string;
  /** Loopback ports to others, for `detourScript`. */
  readonly tcp: Readonly<Record<number, number>>;
  readonly udp: Readonly<Record<number, number>>;
}

/** The emulated links of one run. */
export class RunLinks {
  readonly emulator: WanEmulator;
  readonly #ways: ReadonlyMap<string, ClientWay>;

  private constructor(emulator: WanEmulator, ways: ReadonlyMap<string, ClientWay>) {
    this.emulator = emulator;
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
      return new RunLinks(emulator, ways);
    } catch (error) {
      await emulator.close();
      throw error;
    }
  }

  /** @throws Error for a client that is not in the scenario */
  way(client: string): ClientWay {
    const way = this.#ways.get(client);
    if (way === undefined) throw new Error(`no client ${client}`);
    return way;
  }

  close(): Promise<void> {
    return this.emulator.close();
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
