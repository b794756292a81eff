import { readFileSync } from 'node:fs';
import type { LocalCluster } from '../local-cluster/index.ts';
import type { Heaps } from '../soak/inspector.ts';
import type { Tally } from './tally.ts';

/** After so much of the work, memory counts as warm; from there it may grow by so much, MiB. */
const WARM_SHARE = 0.2;
const MOST_GROWTH_MIB = 150;
/** The same for what is left of a heap when everything was thrown away that nobody holds. */
const MOST_HEAP_GROWTH_MIB = 15;

const MIB = 1_048_576;

interface Size {
  readonly name: string;
  readonly rssMiB: number;
  readonly heapMiB: number;
}

export interface MemoryRow {
  readonly name: string;
  readonly warmMiB: number;
  readonly mostMiB: number;
  readonly lastMiB: number;
  readonly warmHeapMiB: number;
  readonly lastHeapMiB: number;
}

/** The memory of each process of a cluster while it is attacked. */
export class Memory {
  readonly #cluster: LocalCluster;
  readonly #heaps: Heaps;
  readonly #tally: Tally;
  readonly #samples: Size[][] = [];

  constructor(options: { cluster: LocalCluster; heaps: Heaps; tally: Tally }) {
    this.#cluster = options.cluster;
    this.#heaps = options.heaps;
    this.#tally = options.tally;
  }

  /** Measures, tells of processes that have ended, and says it in a line. */
  async look(): Promise<string> {
    const { sessionApi, nodes } = this.#cluster;
    const sizes = await Promise.all(
      [sessionApi, ...[...nodes.values()].map(({ child }) => child)].map(async (child): Promise<Size[]> => {
        if (!child.running) {
          this.#tally.violation(`${child.name} has ended: ${child.lastLines.slice(-500)}`);
          return [];
        }
        // As an operator sees it: before the garbage is thrown away.
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
        const rssMiB = Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1_024);
        return [{ name: child.name, rssMiB, heapMiB: Math.round((await this.#heaps.live(child)).objects / MIB) }];
      }),
    );
    this.#samples.push(sizes.flat());
    return sizes
      .flat()
      .map(({ name, rssMiB, heapMiB }) => `${name} ${rssMiB} MiB (heap ${heapMiB})`)
      .join(', ');
  }

  /** Tells of what has grown. */
  judge(): MemoryRow[] {
    const samples = this.#samples;
    const warm = samples[Math.floor(samples.length * WARM_SHARE)] ?? [];
    return warm.map(({ name, rssMiB: warmMiB, heapMiB: warmHeapMiB }) => {
      const sizes = samples.flatMap((sample) => sample.filter((one) => one.name === name));
      const last = sizes.at(-1);
      const [lastMiB, lastHeapMiB] = [last?.rssMiB ?? 0, last?.heapMiB ?? 0];
      if (lastMiB - warmMiB > MOST_GROWTH_MIB) {
        this.#tally.violation(`${name} grew from ${warmMiB} to ${lastMiB} MiB`);
      }
      if (lastHeapMiB - warmHeapMiB > MOST_HEAP_GROWTH_MIB) {
        this.#tally.violation(`what the heap of ${name} holds grew from ${warmHeapMiB} to ${lastHeapMiB} MiB`);
      }
      const mostMiB = Math.max(...sizes.map(({ rssMiB }) => rssMiB));
      return { name, warmMiB, mostMiB, lastMiB, warmHeapMiB, lastHeapMiB };
    });
  }
}
