import type { LinkReports } from '../../wan/spec.ts';
import type { ClientTask, KeptFrame, PageNews } from '../page/contract.ts';
import type { Header, MachineLoad, Scrape } from '../record/schema.ts';
import type { ArmPlan } from '../scenario/plan.ts';
import type { Scenario } from '../scenario/schema.ts';

/** A participant whom the recorder drives, a page or a light peer, on this machine or another one. */
export interface LabClient {
  readonly name: string;
  /** What it complained about, latest last. */
  readonly errors: readonly string[];
  /** Runs on a machine of its own: then its clock is another one, and its load is measured there. */
  readonly remote: boolean;
  /** Joins. @throws Error with what joining threw */
  start(): Promise<void>;
  /** How far its clock is ahead of the recorder's, ms, and how exactly that is known. */
  clock(): Promise<{ readonly offsetMs: number; readonly uncertaintyMs: number }>;
  news(): Promise<PageNews>;
  /** Pictures: light peers have none. */
  keepPictures(): Promise<void>;
  keptPictures(): Promise<KeptFrame[]>;
  drawAgain(frames: readonly number[]): Promise<KeptFrame[]>;
  /** Load of its own machine since the call before; `atMs` is not told. Undefined the first time and where it runs beside the recorder. */
  load(): Promise<Omit<MachineLoad, 'atMs'> | undefined>;
  leave(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** A room of one run. */
export interface RunRoom {
  readonly slug: string;
  /** Idempotent. */
  close(): Promise<void>;
}

/** What lies between clients and nodes during one run. */
export interface RunWays {
  /** Opens a client; `start` joins. */
  open(task: Omit<ClientTask, 'url'>, room: string): Promise<LabClient>;
  /** Measuring begins: links whose settings change over time start now. */
  startSchedules(): Promise<void>;
  /** Counters of the links; undefined where they are real. */
  report(): Promise<LinkReports | undefined>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Where the nodes' own figures come from. */
export interface NodeFigures {
  /** What the nodes say now; nothing where somebody else keeps their series. */
  scrape(): Promise<Scrape[]>;
  /** What was kept elsewhere since a time of the run, ms. */
  keptSince(fromMs: number): Promise<Scrape[]>;
}

/** Everything that stays the same from run to run: a cluster made for the experiment, or a real one. */
export interface Stage {
  readonly scenario: Scenario;
  /** Of a cluster that was there before: goes into the records. */
  readonly real: Header['real'];
  /** Versions of what takes part, besides those of the recorder itself. */
  readonly versions: Readonly<Record<string, string>>;
  layWays(plan: ArmPlan, seed: number): Promise<RunWays>;
  openRoom(): Promise<RunRoom>;
  /** @param nowMs milliseconds since the run's origin */
  figures(nowMs: () => number): NodeFigures;
  /** The processes of this machine that are told apart, by pid. */
  processes(): Promise<ReadonlyMap<number, string>>;
  /** The scenario's name of a node. */
  nodeName(nodeId: string): string;
  /** Idempotent. */
  close(): Promise<void>;
}
