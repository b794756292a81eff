import { performance } from 'node:perf_hooks';
import { parseOrThrow } from '@meridian/protocol';
import { LogHistogram } from '../measure/log-histogram.ts';
import type { FrameSource } from '../media/frame.ts';
import { GeneratedAudio, GeneratedVideo } from '../media/generated.ts';
import { RecordedSource, type Recording, readAudio, readVideo } from '../media/recorded.ts';
import { Command, type GeneratorFigures, type PersonPlan, type Report } from './contract.ts';
import { Participant } from './participant.ts';
import { newSendCounters } from './sender.ts';

/** A process full of participants: the lab's main process tells it who joins, it says what they see. */

const TICK_MS = 4;
const FIGURES_EVERY_MS = 1_000;
const PACKET_BYTES = 1_200;

type Begin = Extract<Command, { do: 'begin' }>;

interface Recordings {
  readonly video: Recording | undefined;
  readonly audio: Recording | undefined;
}

class Generator {
  readonly #begin: Begin;
  readonly #recordings: Recordings;
  readonly #people = new Map<number, Participant>();
  readonly #counters = newSendCounters();
  readonly #latency = new LogHistogram();
  /** Of people who have gone. */
  readonly #past = { received: 0, expected: 0, bytes: 0 };

  private constructor(begin: Begin, recordings: Recordings) {
    this.#begin = begin;
    this.#recordings = recordings;
    setInterval(() => this.#tick(), TICK_MS);
    setInterval(() => tell({ report: 'figures', figures: this.#figures() }), FIGURES_EVERY_MS);
  }

  static async open(begin: Begin): Promise<Generator> {
    const { video, audio } = begin.media;
    return new Generator(begin, {
      video: video?.file === undefined ? undefined : await readVideo(video.file),
      audio: audio?.file === undefined ? undefined : await readAudio(audio.file),
    });
  }

  join(plan: PersonPlan): void {
    const participant = new Participant({
      url: this.#begin.url,
      plan,
      name: `Load ${plan.person}`,
      sourceOf: (kind) => this.#source(kind),
      countersOf: () => this.#counters,
      latency: this.#latency,
      nowMs: this.#nowMs,
      random: Math.random,
      report: (report) => {
        if (report.report === 'failed' || report.report === 'lost') this.#forget(plan.person);
        tell(report);
      },
    });
    this.#people.set(plan.person, participant);
    void participant.begin();
  }

  async leave(person: number): Promise<void> {
    const participant = this.#people.get(person);
    this.#forget(person);
    await participant?.leave();
    tell({ report: 'left', person });
  }

  streams(): void {
    tell({ report: 'streams', streams: [...this.#people.values()].flatMap((one) => one.figures()) });
  }

  async end(): Promise<void> {
    await Promise.all([...this.#people.keys()].map((person) => this.leave(person)));
  }

  readonly #nowMs = (): number => Number(process.hrtime.bigint()) / 1e6 + this.#begin.clockOffsetMs;

  #tick(): void {
    for (const one of this.#people.values()) one.run(this.#nowMs());
  }

  #forget(person: number): void {
    const totals = this.#people.get(person)?.totals;
    this.#people.delete(person);
    if (totals === undefined) return;
    this.#past.received += totals.received;
    this.#past.expected += totals.expected;
    this.#past.bytes += totals.bytes;
  }

  #source(kind: 'audio' | 'video'): FrameSource | undefined {
    const { video, audio } = this.#begin.media;
    const recording = this.#recordings[kind];
    if (recording !== undefined) {
      const packetBytes = video?.packetBytes ?? PACKET_BYTES;
      return new RecordedSource({ recording, packetBytes, startShare: Math.random() });
    }
    if (kind === 'video') return video === undefined ? undefined : new GeneratedVideo(video);
    return audio === undefined ? undefined : new GeneratedAudio(audio);
  }

  #figures(): GeneratorFigures {
    const totals = { ...this.#past };
    let streams = 0;
    for (const one of [...this.#people.values()]) one.check();
    for (const one of this.#people.values()) {
      const { received, expected, bytes } = one.totals;
      totals.received += received;
      totals.expected += expected;
      totals.bytes += bytes;
      streams += one.streams.length;
    }
    const loop = performance.eventLoopUtilization();
    return {
      participants: this.#people.size,
      sentPackets: this.#counters.packets,
      sentBytes: this.#counters.bytes,
      unsentPackets: this.#counters.unsent,
      skippedFrames: this.#counters.skipped,
      keyFramesAsked: this.#counters.keyFramesAsked,
      streams,
      receivedPackets: totals.received,
      receivedBytes: totals.bytes,
      expectedPackets: totals.expected,
      latency: this.#latency.counts,
      lateness: this.#counters.lateness.counts,
      loopActiveMs: loop.active,
      loopIdleMs: loop.idle,
    };
  }
}

function tell(report: Report): void {
  if (process.connected) process.send?.(report);
}

let generator: Generator | undefined;

async function obey(command: Command): Promise<void> {
  if (command.do === 'begin') {
    generator = await Generator.open(command);
    tell({ report: 'ready' });
    return;
  }
  if (generator === undefined) throw new Error('the first command is "begin"');
  switch (command.do) {
    case 'join':
      return generator.join(command.plan);
    case 'leave':
      return generator.leave(command.person);
    case 'streams':
      return generator.streams();
    case 'end':
      await generator.end();
      // The WebRTC library's threads would go on.
      process.exit(0);
  }
}

process.on('message', (message) => {
  obey(parseOrThrow(Command, message, 'internal', 'command')).catch((error: unknown) => {
    tell({ report: 'broken', message: error instanceof Error ? error.message : String(error) });
  });
});
// Ctrl-C reaches the whole group; the main process decides what it means.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
