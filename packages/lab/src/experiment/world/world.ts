import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../../browser/chromium.ts';
import { createRoom } from '../../light/api.ts';
import { LocalCluster } from '../../local-cluster/index.ts';
import type { MeshSpec } from '../../wan/spec.ts';
import { Recordings } from '../light/recordings.ts';
import { childrenOf } from '../measure/machine.ts';
import { Scraper } from '../measure/scraper.ts';
import type { ArmPlan } from '../scenario/plan.ts';
import type { Scenario } from '../scenario/schema.ts';
import { buildPage } from './bundle.ts';
import { RunLinks } from './links.ts';
import type { NodeFigures, RunRoom, RunWays, Stage } from './stage.ts';

/** Ports for relays, on every node the same: their addresses differ. Each relay link of a room takes one. */
const PIPE_PORTS = { min: 24_000, max: 24_047 } as const;

export interface WorldOptions {
  readonly scenario: Scenario;
  /** Told what is being done. */
  readonly onEvent?: (line: string) => void;
}

/** The members of the relays' mesh: where each node listens, and the face it announces to the others. */
export interface PipeAddresses {
  readonly realHost: string;
  readonly faceHost: string;
}

/**
 * What stays the same from run to run: the cluster with a node for each of the scenario's, and the browser. Links are
 * not part of it: every run lays its own.
 */
export class World implements Stage {
  readonly real = undefined;
  readonly scenario: Scenario;
  readonly cluster: LocalCluster;
  readonly browser: Browser;
  readonly recordings = new Recordings();
  readonly #dir: string;
  readonly #pipes: ReadonlyMap<string, PipeAddresses>;
  #closing: Promise<void> | undefined;

  private constructor(parts: {
    scenario: Scenario;
    cluster: LocalCluster;
    browser: Browser;
    dir: string;
    pipes: ReadonlyMap<string, PipeAddresses>;
  }) {
    this.scenario = parts.scenario;
    this.cluster = parts.cluster;
    this.browser = parts.browser;
    this.#dir = parts.dir;
    this.#pipes = parts.pipes;
  }

  /** @throws what starting a cluster or Chromium throws; nothing is left running then. */
  static async open({ scenario, onEvent }: WorldOptions): Promise<World> {
    const dir = await mkdtemp(join(tmpdir(), 'meridian-lab-'));
    const pipes = pipeAddresses(Object.keys(scenario.nodes));
    let cluster: LocalCluster | undefined;
    try {
      const webDir = join(dir, 'page');
      await buildPage(webDir);
      cluster = await LocalCluster.start({
        dataDir: join(dir, 'cluster'),
        webDir,
        regions: Object.entries(scenario.nodes).map(([nodeId, { region, place, at }]) => ({
          nodeId,
          region,
          regionName: place,
          coordinates: at,
        })),
        nodeEnvOf: async ({ nodeId }) => {
          const pipe = pipes.get(nodeId);
          return pipe === undefined
            ? {}
            : {
                MERIDIAN_PIPE_LISTEN_IP: pipe.realHost,
                MERIDIAN_PIPE_ANNOUNCED_ADDRESS: pipe.faceHost,
                MERIDIAN_PIPE_PORT_MIN: String(PIPE_PORTS.min),
                MERIDIAN_PIPE_PORT_MAX: String(PIPE_PORTS.max),
              };
        },
        ...(onEvent === undefined ? {} : { onEvent }),
      });
      const browser = await launchChromium({ survivesInterrupt: true });
      return new World({ scenario, cluster, browser, dir, pipes });
    } catch (error) {
      await cluster?.stop();
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }

  get versions(): Readonly<Record<string, string>> {
    return { chromium: this.browser.version() };
  }

  layWays(plan: ArmPlan, seed: number): Promise<RunWays> {
    return RunLinks.open(this, plan, seed);
  }

  /** The cluster goes with the world, and its rooms with it. */
  async openRoom(): Promise<RunRoom> {
    return { slug: await createRoom(this.cluster.url), close: async () => {} };
  }

  figures(nowMs: () => number): NodeFigures {
    return new Scraper({ urls: new Map([...this.cluster.nodes].map(([node, { url }]) => [node, url])), nowMs });
  }

  async processes(): Promise<ReadonlyMap<number, string>> {
    const named = new Map<number, string>([[process.pid, 'lab']]);
    named.set(this.cluster.sessionApi.pid, 'session-api');
    for (const [node, { child }] of this.cluster.nodes) named.set(child.pid, node);
    for (const pid of await childrenOf(process.pid, /chrom/)) named.set(pid, 'chromium');
    for (const pid of await childrenOf(process.pid, /redis/)) named.set(pid, 'redis');
    return named;
  }

  /** The nodes have the scenario's names. */
  nodeName(nodeId: string): string {
    return nodeId;
  }

  /** The mesh that carries relays between all nodes, with the routes of one run. */
  mesh(routes: MeshSpec['routes']): MeshSpec {
    const members = [...this.#pipes].map(([name, addresses]) => ({ name, ...addresses }));
    return { members, ports: PIPE_PORTS, routes };
  }

  /** Browser first, so that nobody comes back while the nodes stop. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.browser.close();
    await this.cluster.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** Addresses of 127.0.0.0/8 that no other process on this machine uses: its id is in them. One world at a time in a process. */
function pipeAddresses(nodes: readonly string[]): Map<string, PipeAddresses> {
  const net = `127.${64 + ((process.pid >> 8) & 63)}.${process.pid & 255}`;
  return new Map(
    nodes.map((node, index) => [node, { realHost: `${net}.${2 * index + 1}`, faceHost: `${net}.${2 * index + 2}` }]),
  );
}
