import { MeridianError } from '@meridian/protocol';
import type { Detour } from '../../light/detour.ts';
import type { Report as JoinReport } from '../../load/generator/contract.ts';
import { Participant } from '../../load/generator/participant.ts';
import { newSendCounters } from '../../load/generator/sender.ts';
import { LogHistogram } from '../../load/measure/log-histogram.ts';
import { RecordedSource, type Recording } from '../../load/media/recorded.ts';
import type { ClientTask, KeptFrame, PageNews } from '../page/contract.ts';
import { noNews } from '../page/no-news.ts';
import { oneAtATime } from '../page/one-at-a-time.ts';
import { askClock } from '../world/clock.ts';
import type { LabClient } from '../world/stage.ts';
import type { Recordings } from './recordings.ts';
import { inboundReport, outboundReports } from './reports.ts';
import { Roster } from './roster.ts';

/** Between two looks for frames that are due. */
const TICK_MS = 4;
const STATS_EVERY_MS = 1_000;
const PACKET_BYTES = 1_200;

const KINDS = ['audio', 'video'] as const;
type Kind = (typeof KINDS)[number];

export interface LightSurroundings {
  readonly recordings: Recordings;
  /** Ports of the emulator instead of the servers' own. */
  readonly detour?: Detour | undefined;
  /** Milliseconds since 1970 by this process's clock, which never jumps. */
  readonly nowMs: () => number;
}

/**
 * A participant without a browser: signalling, ICE, DTLS and SRTP are real, what it sends is a recording, what it receives is counted and
 * not decoded. So it tells packets, loss, jitter and round trips, and nothing of pictures or sound.
 */
export class LightMember implements LabClient {
  readonly name: string;
  readonly remote = false;
  readonly errors: string[] = [];
  readonly #task: ClientTask;
  readonly #surroundings: LightSurroundings;
  readonly #roster = new Roster();
  readonly #counters = { audio: newSendCounters(), video: newSendCounters() };
  readonly #participant: Participant;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #news: PageNews = noNews();
  #failure: Error | undefined;
  #frames = 0;
  #receiving = false;
  readonly #ask = oneAtATime(() => this.#askNode());
  #asking = Promise.resolve();
  #over = false;

  private constructor(
    task: ClientTask,
    surroundings: LightSurroundings,
    recorded: Readonly<Record<Kind, Recording | undefined>>,
  ) {
    const { origin, pathname } = new URL(task.url);
    const { detour, nowMs } = surroundings;
    this.name = task.name;
    this.#task = task;
    this.#surroundings = surroundings;
    this.#participant = new Participant({
      url: origin,
      name: task.name,
      detour,
      plan: {
        person: task.number,
        room: pathname.split('/').at(-1) ?? '',
        region: task.region,
        publishes: recorded.audio !== undefined || recorded.video !== undefined,
        receives: null,
      },
      sourceOf: (kind) => {
        const recording = recorded[kind];
        if (recording === undefined) return undefined;
        return new RecordedSource({ recording, packetBytes: PACKET_BYTES, startShare: Math.random() });
      },
      countersOf: (kind) => this.#counters[kind],
      latency: new LogHistogram(),
      nowMs,
      random: Math.random,
      report: (report) => this.#hear(report),
      onJoined: (joined) => this.#roster.joined(joined),
      onHeard: (heard) => this.#roster.heard(heard),
      onFrame: (kind, atMs) => {
        if (kind === 'video') this.#news.sent.push([this.#frames++, atMs]);
      },
    });
  }

  /** Gets ready what it is to send; `start` joins. @throws MeridianError `config-invalid` where that cannot be made */
  static async open(task: ClientTask, surroundings: LightSurroundings): Promise<LightMember> {
    const { recordings } = surroundings;
    return new LightMember(task, surroundings, {
      audio: task.audio ? await recordings.audio() : undefined,
      video: task.video === null ? undefined : await recordings.video(task.video),
    });
  }

  /** @throws Error with the step that failed, the code and what was said */
  async start(): Promise<void> {
    const { nowMs } = this.#surroundings;
    this.#mark('joining');
    this.#timers.push(
      setInterval(() => this.#participant.run(nowMs()), TICK_MS),
      setInterval(() => this.#measure(), STATS_EVERY_MS),
    );
    await this.#participant.begin();
    if (this.#failure !== undefined) throw this.#failure;
  }

  clock(): Promise<{ readonly offsetMs: number; readonly uncertaintyMs: number }> {
    return askClock(() => this.now());
  }

  async now(): Promise<number> {
    return this.#surroundings.nowMs();
  }

  async news(): Promise<PageNews> {
    if (!this.#over) this.#participant.check();
    const news = this.#news;
    this.#news = noNews();
    return news;
  }

  /** It has no pictures. */
  async keepPictures(): Promise<void> {}

  async keptPictures(): Promise<KeptFrame[]> {
    return [];
  }

  async drawAgain(): Promise<KeptFrame[]> {
    return [];
  }

  /** It runs beside whoever opened it. */
  async load(): Promise<undefined> {}

  async leave(): Promise<void> {
    this.#stop();
    await this.#asking;
    await this.#participant.leave();
  }

  async close(): Promise<void> {
    this.#stop();
    this.#participant.close();
  }

  #stop(): void {
    this.#over = true;
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }

  #hear(report: JoinReport): void {
    switch (report.report) {
      case 'joined':
        this.#mark(
          'joined',
          Object.entries(report.steps)
            .map(([step, ms]) => `${step} ${ms.toFixed(0)} ms`)
            .join(', '),
        );
        return;
      case 'failed':
        this.#failure ??= new Error(`${this.name}, ${report.step}: ${report.code}: ${report.message}`);
        this.#trouble('trouble', `${report.step}: ${report.code}: ${report.message}`);
        return;
      case 'lost':
        this.#trouble('ended', report.reason);
        return;
      default:
      // The others are for who generates load.
    }
  }

  #trouble(what: 'trouble' | 'ended', detail: string): void {
    this.errors.push(detail);
    this.#mark(what, detail);
  }

  /** What comes is read all the time, whether the node answers or not: while a line is cut nobody does. */
  #measure(): void {
    const { nodeId } = this.#participant;
    if (nodeId === undefined || this.#over) return;
    this.#readReports();
    this.#asking = this.#ask();
  }

  #readReports(): void {
    const { nowMs } = this.#surroundings;
    const { streams } = this.#participant;
    const inbound = streams.flatMap((stream) => {
      const sender = this.#roster.nameOf(stream.sessionId);
      return sender === undefined ? [] : [inboundReport(stream, sender)];
    });
    const outbound = KINDS.flatMap((kind) => {
      const counters = this.#counters[kind];
      return counters.packets === 0 ? [] : outboundReports(kind, counters);
    });
    this.#news.stats.push({ atMs: nowMs(), reports: [...inbound, ...outbound] });
    this.#noticeAll();
  }

  async #askNode(): Promise<void> {
    const { nodeId } = this.#participant;
    if (nodeId === undefined) return;
    try {
      const stats = await this.#participant.nodeStats();
      this.#news.node.push({ atMs: this.#surroundings.nowMs(), nodeId, stats });
    } catch (error) {
      if (!this.#over) this.#trouble('trouble', `stats: ${MeridianError.from(error).code}`);
    }
  }

  /** Packets of everything that the others send have come. */
  #noticeAll(): void {
    if (this.#receiving) return;
    const got = new Set(
      this.#participant.streams.flatMap(({ sessionId, kind, reception }) =>
        reception.received > 0 ? [`${kind} of ${this.#roster.nameOf(sessionId)}`] : [],
      ),
    );
    const awaited = this.#task.others.flatMap(({ name, sendsVideo, sendsAudio }) => [
      ...(sendsVideo ? [`video of ${name}`] : []),
      ...(sendsAudio ? [`audio of ${name}`] : []),
    ]);
    if (!awaited.every((stream) => got.has(stream))) return;
    this.#receiving = true;
    this.#mark('receiving');
  }

  #mark(what: PageNews['marks'][number]['what'], detail?: string): void {
    this.#news.marks.push({ atMs: this.#surroundings.nowMs(), what, ...(detail === undefined ? {} : { detail }) });
  }
}
