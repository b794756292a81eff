import type { NodeId } from '@meridian/protocol';
import type { Ledger } from './ledger.ts';
import type { World } from './world.ts';

/** What happens to nodes and to Redis: they are killed and started, lose their leases, their workers, their data. */
export class Machines {
  readonly #world: World;
  readonly #ledger: Ledger;
  /** One process after the other under a node's id: two at once would be another fault than a restart. */
  readonly #starting = new Map<NodeId, Promise<void>>();

  constructor({ world, ledger }: { world: World; ledger: Ledger }) {
    this.#world = world;
    this.#ledger = ledger;
  }

  async kill(nodeId: NodeId): Promise<void> {
    const node = this.#world.node(nodeId);
    if (node.dead) return;
    this.#ledger.killed(node);
    node.kill();
  }

  /** The node is killed, its lease runs out, and it is swept. */
  async crash(nodeId: NodeId): Promise<void> {
    await this.kill(nodeId);
    await this.expire(nodeId, 'last');
  }

  /** A new process takes the place of the one before, which is killed if it runs. */
  start(nodeId: NodeId): Promise<void> {
    const started = (this.#starting.get(nodeId) ?? Promise.resolve()).then(() => this.#startNext(nodeId));
    this.#starting.set(nodeId, started);
    return started;
  }

  /** The node's lease runs out in Redis; it is swept before or after it was heard of again. */
  async expire(nodeId: NodeId, order: 'first' | 'last'): Promise<void> {
    const node = this.#world.node(nodeId);
    await this.#world.expireLease(nodeId);
    const sweep = async () => {
      const other = this.#world.living.find((one) => one !== node);
      if (other === undefined) await this.#world.sweeper.sweep();
      else await other.beat();
    };
    if (order === 'first') await sweep();
    await node.beat();
    if (order === 'last') await sweep();
    if (node.dead) this.#ledger.swept(nodeId);
  }

  killWorker(nodeId: NodeId): void {
    const node = this.#world.node(nodeId);
    if (node.dead) return;
    this.#ledger.excuseNode(node, 'worker');
    node.media.killWorker();
  }

  breakBus(nodeId: NodeId): void {
    const node = this.#world.node(nodeId);
    if (!node.dead) node.hop.breakSubscription();
  }

  async emptyRedis(): Promise<void> {
    // As after a restart: whoever was connected is not any more.
    for (const node of this.#world.living) node.hop.breakSubscription();
    await this.#world.raw.send('FLUSHALL');
    for (const node of this.#world.living) await node.beat();
  }

  async #startNext(nodeId: NodeId): Promise<void> {
    await this.kill(nodeId);
    const node = await this.#world.startNode(nodeId);
    await node.beat();
    this.#ledger.swept(nodeId);
  }
}
