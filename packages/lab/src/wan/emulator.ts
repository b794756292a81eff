import { MeridianError } from '@meridian/protocol';
import { TcpProxy } from './drivers/tcp-proxy.ts';
import { UdpMesh } from './drivers/udp-mesh.ts';
import { UdpProxy } from './drivers/udp-proxy.ts';
import { Link } from './link.ts';
import { seedOf } from './model/random.ts';
import type { LinkChange } from './model/settings.ts';
import type { Scheduler } from './scheduler.ts';
import type { LinkReports, Opened, Trace } from './spec.ts';
import { EmulatorPlan, type EmulatorPlanInput, MeshSpec, TcpSpec, UdpSpec } from './spec.ts';
import { DatagramTrace } from './trace.ts';

interface Opening {
  close(): Promise<void>;
  readonly trace?: { readonly up: DatagramTrace; readonly down: DatagramTrace };
}

/**
 * Links by name and the proxies whose traffic goes over them. Proxies that name the same link share it:
 * its rate, its queue and its outages. This class runs in the thread it is made in; `startEmulator` gives it one of
 * its own.
 */
export class Emulator {
  readonly #scheduler: Scheduler;
  readonly #links: Map<string, Link>;
  readonly #openings = new Map<number, Opening>();
  #lastId = 0;
  #closed = false;

  /** @throws ZodError when the plan is not of the expected form. */
  constructor(options: { plan: EmulatorPlanInput; scheduler: Scheduler }) {
    const plan = EmulatorPlan.parse(options.plan);
    this.#scheduler = options.scheduler;
    this.#links = new Map(
      Object.entries(plan.links).map(([name, settings]) => [
        name,
        new Link({ name, settings, seed: seedOf(plan.seed, name) }),
      ]),
    );
  }

  /** @throws MeridianError `config-invalid` for an unknown link or an address that is not loopback. */
  async openUdp(input: UdpSpec): Promise<Opened> {
    const spec = UdpSpec.parse(input);
    const trace = spec.trace ? { up: new DatagramTrace(), down: new DatagramTrace() } : undefined;
    const proxy = await UdpProxy.open({
      scheduler: this.#scheduler,
      target: spec.target,
      up: this.#route(spec.up),
      down: this.#route(spec.down),
      maxClients: spec.maxClients,
      observer: trace,
    });
    const opening: Opening = trace === undefined ? proxy : { close: () => proxy.close(), trace };
    return { id: await this.#keep(opening), host: proxy.host, port: proxy.port };
  }

  /** @throws MeridianError `config-invalid` for an unknown link or an address that is not loopback. */
  async openTcp(input: TcpSpec): Promise<Opened> {
    const spec = TcpSpec.parse(input);
    const proxy = await TcpProxy.open({
      scheduler: this.#scheduler,
      target: spec.target,
      up: this.#route(spec.up),
      down: this.#route(spec.down),
    });
    return { id: await this.#keep(proxy), host: proxy.host, port: proxy.port };
  }

  /** @throws MeridianError `config-invalid` for an unknown link or member, or addresses that do not fit. */
  async openMesh(input: MeshSpec): Promise<number> {
    const spec = MeshSpec.parse(input);
    const names = new Set(spec.members.map((member) => member.name));
    const routes = new Map<string, readonly Link[]>();
    for (const { from, to, links } of spec.routes) {
      for (const name of [from, to]) if (!names.has(name)) throw unknownName('member', name, names);
      routes.set(JSON.stringify([from, to]), this.#route(links));
    }
    const mesh = await UdpMesh.open({
      scheduler: this.#scheduler,
      members: spec.members,
      ports: spec.ports,
      path: (from, to) => routes.get(JSON.stringify([from, to])) ?? [],
    });
    return this.#keep(mesh);
  }

  /** Second 0 of every link's schedule is now. */
  startSchedules(): void {
    const now = this.#scheduler.now();
    for (const link of this.#links.values()) link.startSchedule(now);
  }

  /** Changes a link from now on. @throws MeridianError `config-invalid` for an unknown link. */
  change(name: string, change: LinkChange): void {
    this.#link(name).change(change, this.#scheduler.now());
  }

  report(): LinkReports {
    return Object.fromEntries([...this.#links].map(([name, link]) => [name, link.counters()]));
  }

  /** What was noted of a proxy that was opened with `trace`. @throws MeridianError `not-found`. */
  trace(id: number): Trace {
    const trace = this.#openings.get(id)?.trace;
    if (trace === undefined) throw new MeridianError('not-found', { message: `proxy ${id} keeps no trace` });
    return { up: trace.up.read(), down: trace.down.read() };
  }

  /** Closes one proxy or mesh; an unknown id is closed already. */
  async closeOne(id: number): Promise<void> {
    const opening = this.#openings.get(id);
    this.#openings.delete(id);
    await opening?.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#openings.keys()].map((id) => this.closeOne(id)));
  }

  async #keep(opening: Opening): Promise<number> {
    if (this.#closed) {
      await opening.close();
      throw new MeridianError('closed', { message: 'the emulator was closed meanwhile' });
    }
    this.#lastId += 1;
    this.#openings.set(this.#lastId, opening);
    return this.#lastId;
  }

  #route(names: readonly string[]): Link[] {
    return names.map((name) => this.#link(name));
  }

  #link(name: string): Link {
    const link = this.#links.get(name);
    if (link === undefined) throw unknownName('link', name, this.#links.keys());
    return link;
  }
}

function unknownName(kind: string, name: string, known: Iterable<string>): MeridianError {
  return new MeridianError('config-invalid', { message: `no ${kind} "${name}"; there are: ${[...known].join(', ')}` });
}
