import { holdsPli, type SendingPeer } from '@meridian/harness/webrtc';
import { LogHistogram } from '../measure/log-histogram.ts';
import type { FrameSource, MediaFrame } from '../media/frame.ts';
import { RTP_OVERHEAD_BYTES } from '../media/frame.ts';
import { roundTripIn } from '../media/rtcp.ts';
import type { RtpWriter } from '../media/rtp.ts';

/** Later than this a frame is left out: a camera would not wait either. */
const SKIP_AFTER_MS = 250;
const REPORT_EVERY_MS = 1_000;
/** Key frames are asked for again and again until one comes; one answer in this time is enough. */
const KEY_FRAME_PAUSE_MS = 300;

export interface SendCounters {
  packets: number;
  bytes: number;
  unsent: number;
  skipped: number;
  keyFramesAsked: number;
  /** By the latest receiver report, ms; null before. */
  roundTripMs: number | null;
  readonly lateness: LogHistogram;
}

export const newSendCounters = (): SendCounters => ({
  packets: 0,
  bytes: 0,
  unsent: 0,
  skipped: 0,
  keyFramesAsked: 0,
  roundTripMs: null,
  lateness: new LogHistogram(),
});

/** Sends the frames of one stream when they are due. */
export class StreamSender {
  readonly #peer: SendingPeer;
  readonly #mid: string;
  readonly #source: FrameSource;
  readonly #writer: RtpWriter;
  readonly #counters: SendCounters;
  readonly #onFrame: (atMs: number) => void;
  #frame: MediaFrame;
  #dueMs: number;
  #reportMs: number;
  #answeredMs = Number.NEGATIVE_INFINITY;

  /** @param startMs when the first frame is due */
  constructor(options: {
    peer: SendingPeer;
    mid: string;
    source: FrameSource;
    writer: RtpWriter;
    counters: SendCounters;
    startMs: number;
    nowMs: () => number;
    /** Told of every frame that was sent. */
    onFrame?: ((atMs: number) => void) | undefined;
  }) {
    this.#peer = options.peer;
    this.#mid = options.mid;
    this.#source = options.source;
    this.#writer = options.writer;
    this.#counters = options.counters;
    this.#onFrame = options.onFrame ?? (() => {});
    this.#dueMs = options.startMs;
    this.#reportMs = options.startMs + REPORT_EVERY_MS;
    this.#frame = this.#source.next();
    this.#peer.onRtcp(this.#mid, (packet) => {
      if (holdsPli(packet)) this.#askedForKeyFrame(options.nowMs());
      const tripMs = roundTripIn(packet, options.writer.ssrc, options.nowMs());
      if (tripMs !== undefined) this.#counters.roundTripMs = tripMs;
    });
  }

  /** Sends what is due by now. */
  run(nowMs: number): void {
    while (this.#dueMs <= nowMs) {
      const lateMs = nowMs - this.#dueMs;
      this.#counters.lateness.add(lateMs);
      if (lateMs > SKIP_AFTER_MS) this.#counters.skipped += 1;
      else this.#send(this.#frame, nowMs);
      this.#dueMs += this.#frame.durationMs;
      this.#frame = this.#source.next();
    }
  }

  #send({ payloads, timestamp }: MediaFrame, nowMs: number): void {
    const last = payloads.length - 1;
    for (const [index, payload] of payloads.entries()) {
      const packet = this.#writer.packet(payload, timestamp, index === last, nowMs);
      if (this.#peer.send(this.#mid, packet)) {
        this.#counters.packets += 1;
        this.#counters.bytes += payload.length + RTP_OVERHEAD_BYTES;
      } else this.#counters.unsent += 1;
    }
    this.#onFrame(nowMs);
    if (nowMs < this.#reportMs) return;
    this.#reportMs = nowMs + REPORT_EVERY_MS;
    this.#peer.send(this.#mid, this.#writer.senderReport(timestamp, nowMs));
  }

  #askedForKeyFrame(nowMs: number): void {
    this.#counters.keyFramesAsked += 1;
    if (nowMs - this.#answeredMs < KEY_FRAME_PAUSE_MS) return;
    this.#answeredMs = nowMs;
    this.#source.askKeyFrame();
  }
}
