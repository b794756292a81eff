import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MeridianError, RoomView } from '@meridian/protocol';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../../browser/chromium.ts';
import { enterAsGuest, post } from '../../light/api.ts';
import { Recordings } from '../light/recordings.ts';
import { childrenOf } from '../measure/machine.ts';
import { readMetrics, Scraper } from '../measure/scraper.ts';
import type { ClientTask } from '../page/contract.ts';
import type { Header, Sample } from '../record/schema.ts';
import { pagesOf, type Scenario } from '../scenario/schema.ts';
import { buildPage } from '../world/bundle.ts';
import { openMember } from '../world/open-member.ts';
import type { LabClient, NodeFigures, RunRoom, RunWays, Stage } from '../world/stage.ts';
import { checkCluster, type NodeIds } from './preflight.ts';
import { KeptFigures, Prometheus } from './prometheus.ts';
import { RemoteAgent, RemoteClient } from './remote-client.ts';

export interface RealStageOptions {
  readonly scenario: Scenario;
  /** Of the session service, such as https://meet.example.org. */
  readonly url: string;
  /** Keeps the nodes' series. */
  readonly prometheus?: string | undefined;
  /** Base URLs at which nodes can be scraped from here, by node id. */
  readonly scrape?: ReadonlyMap<string, string>;
  /** Bearer token for /metrics of the nodes that are scraped from here. */
  readonly metricsToken?: string | undefined;
  /** Commands that start `lab client` on other machines, by client; the others run here. */
  readonly clients?: ReadonlyMap<string, string>;
  readonly onEvent?: (line: string) => void;
}

interface Parts {
  readonly options: RealStageOptions;
  readonly nodes: NodeIds;
  readonly dir: string;
  readonly agents: ReadonlyMap<string, RemoteAgent>;
  /** For the clients that run here. */
  readonly browser: Browser | undefined;
  readonly prometheus: Prometheus | undefined;
}

/** A cluster that was there before, reached as everybody reaches it: nothing is emulated. */
export class RealStage implements Stage {
  readonly scenario: Scenario;
  readonly real: NonNullable<Header['real']>;
  readonly versions: Readonly<Record<string, string>>;
  readonly #parts: Parts;
  readonly #recordings = new Recordings();
  readonly #names: ReadonlyMap<string, string>;
  #closing: Promise<void> | undefined;

  private constructor(parts: Parts) {
    const { options, nodes, agents, browser } = parts;
    this.#parts = parts;
    this.scenario = options.scenario;
    this.#names = new Map([...nodes].map(([name, id]) => [id, name]));
    this.real = {
      url: baseOf(options.url),
      nodes: Object.fromEntries(nodes),
      hosts: Object.fromEntries([...agents].map(([client, { hello }]) => [client, hello.machine])),
    };
    this.versions = {
      ...(browser === undefined ? {} : { chromium: browser.version() }),
      ...Object.fromEntries([...agents].map(([client, { hello }]) => [`chromium of ${client}`, hello.chromium])),
    };
  }

  /**
   * Checks everything before anything is measured, and starts clients' machines.
   * @throws MeridianError `config-invalid` with what is missing; nothing is left running then
   */
  static async open(options: RealStageOptions): Promise<RealStage> {
    const { scenario, clients = new Map(), scrape = new Map(), onEvent = () => {} } = options;
    const unknown = [...clients.keys()].filter((client) => scenario.clients[client] === undefined);
    if (unknown.length > 0) {
      throw new MeridianError('config-invalid', {
        message: `--client: ${scenario.name} has no client ${unknown.join(', ')}; it has ${Object.keys(scenario.clients).join(', ')}`,
      });
    }
    const nodes = await checkCluster(baseOf(options.url), scenario);
    onEvent(`${baseOf(options.url)}: ${[...nodes].map(([name, id]) => `${name} is ${id}`).join(', ')}`);
    const dir = await mkdtemp(join(tmpdir(), 'meridian-lab-'));
    const agents = new Map<string, RemoteAgent>();
    let browser: Browser | undefined;
    try {
      const prometheus =
        options.prometheus === undefined
          ? undefined
          : new Prometheus({ url: options.prometheus, nodes, rename: renamer(nodes) });
      await prometheus?.check();
      await checkScraping(nodes, scrape, options.metricsToken);
      if (prometheus === undefined && scrape.size === 0) {
        onEvent(
          'neither --prometheus nor --scrape: the servers\u2019 own series are not recorded, nothing is cross-checked',
        );
      }
      await buildPage(dir);
      for (const [client, command] of clients) {
        const agent = await RemoteAgent.start(client, command);
        agents.set(client, agent);
        const { cpu, cores } = agent.hello.machine;
        onEvent(`${client} on ${cpu}, ${cores} cores, Chromium ${agent.hello.chromium}`);
      }
      const allElsewhere = pagesOf(scenario).every((client) => agents.has(client));
      if (!allElsewhere) browser = await launchChromium({ survivesInterrupt: true });
      return new RealStage({ options, nodes, dir, agents, browser, prometheus });
    } catch (error) {
      await Promise.all([...agents.values()].map((agent) => agent.close()));
      await browser?.close();
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }

  /** Nothing is laid: what lies between is what is to be measured. */
  async layWays(): Promise<RunWays> {
    const { agents, browser, dir } = this.#parts;
    const { url } = this.real;
    return {
      open: async (task: Omit<ClientTask, 'url'>, room: string): Promise<LabClient> => {
        const whole = { ...task, url: `${url}/r/${room}` };
        const agent = agents.get(task.name);
        if (agent !== undefined) return RemoteClient.open(agent, whole);
        return openMember(whole, { browser, recordings: this.#recordings, files: { dir } });
      },
      startSchedules: async () => {},
      report: async () => undefined,
      close: async () => {},
    };
  }

  /** A room of its own for each run, which is deleted again. */
  async openRoom(): Promise<RunRoom> {
    const { url } = this.real;
    const token = await enterAsGuest(url, 'Meridian lab');
    const { slug } = await post(RoomView, `${url}/v1/rooms`, { title: `Lab: ${this.scenario.name}` }, token);
    let closing: Promise<void> | undefined;
    const remove = async () => {
      const reply = await fetch(`${url}/v1/rooms/${slug}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(15_000),
      });
      await reply.body?.cancel();
    };
    return {
      slug,
      close: () => {
        // A room that stays behind is a nuisance, and no reason to lose a run.
        closing ??= remove().catch(() => {});
        return closing;
      },
    };
  }

  figures(nowMs: () => number): NodeFigures {
    const { prometheus, nodes, options } = this.#parts;
    if (prometheus !== undefined) return new KeptFigures(prometheus, nowMs);
    const urls = new Map(
      [...nodes].flatMap(([name, id]): [string, string][] => {
        const url = options.scrape?.get(id);
        return url === undefined ? [] : [[name, url]];
      }),
    );
    return new Scraper({ urls, nowMs, token: options.metricsToken, rename: renamer(nodes) });
  }

  async processes(): Promise<ReadonlyMap<number, string>> {
    const named = new Map<number, string>([[process.pid, 'lab']]);
    for (const pid of await childrenOf(process.pid, /chrom/)) named.set(pid, 'chromium');
    return named;
  }

  nodeName(nodeId: string): string {
    return this.#names.get(nodeId) ?? nodeId;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { agents, browser, dir } = this.#parts;
    await Promise.all([browser?.close(), ...[...agents.values()].map((agent) => agent.close())]);
    await rm(dir, { recursive: true, force: true });
  }
}

const baseOf = (url: string): string => url.replace(/\/+$/, '');

/** Metrics name nodes by their ids, evaluations by the scenario's names. */
function renamer(nodes: NodeIds): (sample: Sample) => Sample {
  const names = new Map([...nodes].map(([name, id]) => [id, name]));
  return ([series, labels, value]) => {
    const renamed = { ...labels };
    for (const label of ['node', 'remote_node']) {
      const name = names.get(renamed[label] ?? '');
      if (name !== undefined) renamed[label] = name;
    }
    return [series, renamed, value];
  };
}

/** @throws MeridianError `config-invalid` for a node that is not in the experiment or does not answer */
async function checkScraping(
  nodes: NodeIds,
  scrape: ReadonlyMap<string, string>,
  token: string | undefined,
): Promise<void> {
  for (const [id, url] of scrape) {
    if (![...nodes.values()].includes(id)) {
      throw new MeridianError('config-invalid', {
        message: `--scrape: ${id} is none of the nodes ${[...nodes.values()].join(', ')}`,
      });
    }
    await readMetrics(url, token).catch((cause: unknown) => {
      throw new MeridianError('config-invalid', {
        message: `--scrape: ${id} does not answer: ${String(cause)}`,
        cause,
      });
    });
  }
}
