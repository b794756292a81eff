import type { MachineLoad } from '../../experiment/record/schema.ts';
import type { GeneratorFigures } from '../generator/contract.ts';
import type { NodeReading } from './node-metrics.ts';

/** Everything at one moment; counters run on from sample to sample. */
export interface LoadSample {
  readonly type: 'sample';
  /** Milliseconds since the run began. */
  readonly atMs: number;
  readonly generators: Readonly<Record<string, GeneratorFigures>>;
  /** From /proc, since the sample before. With `--url` it knows the load generator only. */
  readonly machine: MachineLoad | undefined;
  readonly nodes: readonly NodeReading[];
}

/** One attempt to join, as it went. */
export interface JoinLine {
  readonly type: 'join';
  /** When it was begun, and how long it took, milliseconds. */
  readonly atMs: number;
  readonly person: number;
  readonly outcome: 'joined' | 'failed';
  readonly tookMs: number;
  readonly node?: string;
  readonly steps?: Readonly<Record<string, number>>;
  /** What failed, and the code of the error. */
  readonly step?: string;
  readonly code?: string;
  readonly message?: string;
  /** Until its own media went out, and until the first packet of somebody else's was there. */
  sendingMs?: number;
  receivingMs?: number;
}
