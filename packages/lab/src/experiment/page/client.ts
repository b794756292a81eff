import { type JoinTimings, join, type RemoteTrack, type Room, toSdkError } from '@meridian/client';
import { Camera } from './camera.ts';
import { pageMs } from './clock.ts';
import type { ClientTask, KeptFrame, PageNews } from './contract.ts';
import { noNews } from './no-news.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { Peers } from './peers.ts';
import { PictureMaker } from './picture.ts';
import { Sound } from './sound.ts';
import { base64, Viewer } from './viewer.ts';

const STATS_EVERY_MS = 1_000;

/** A participant who sends pictures and ticks that can be timed, and times those of the others. */
export class Client {
  readonly #task: ClientTask;
  readonly #peers = new Peers();
  readonly #viewers = new Map<string, Viewer>();
  readonly #sendersOfTracks = new Map<string, string>();
  readonly #seen = new Set<string>();
  #news = noNews();
  #room: Room | undefined;
  #camera: Camera | undefined;
  #sound: Sound | undefined;
  #statsTimer: ReturnType<typeof setInterval> | undefined;
  #deaf: (() => void)[] = [];
  readonly #read = oneAtATime(() => this.#readReports());
  readonly #ask = oneAtATime(() => this.#askNode());

  constructor(task: ClientTask) {
    this.#task = task;
  }

  /** Opens camera and microphone, joins, and starts measuring. @throws what the SDK's `join` throws */
  async start(worklets: string): Promise<void> {
    const { url, name, number, region, video, audio } = this.#task;
    const camera =
      video === null
        ? undefined
        : new Camera({ ...video, sender: number }, (frame, atMs) => this.#news.sent.push([frame, atMs]));
    this.#camera = camera;
    const sound = await Sound.open(worklets);
    this.#sound = sound;
    camera?.start();
    this.#mark('joining');
    const room = await join(url, {
      name,
      region,
      videoCodec: video?.codec,
      tracks: [
        ...(audio
          ? [
              {
                source: 'microphone' as const,
                track: sound.microphone((tick, atMs) => this.#news.played.push([tick, atMs])),
              },
            ]
          : []),
        ...(camera === undefined
          ? []
          : [{ source: 'camera' as const, track: camera.track, simulcast: video?.simulcast }]),
      ],
    });
    this.#room = room;
    this.#mark('joined', stepsOf(room.timings));
    room.on('track-added', (track) => this.#receive(track));
    for (const track of room.tracks.values()) this.#receive(track);
    room.on('reconnecting', ({ cause }) => this.#mark('reconnecting', cause.code));
    room.on('reconnected', ({ nodeId, afterMs }) =>
      this.#mark('reconnected', `${nodeId} after ${Math.round(afterMs)} ms`),
    );
    room.on('trouble', (error) => this.#mark('trouble', `${error.code}: ${error.message}`));
    room.on('relay-trouble', (trouble) => this.#mark('trouble', `relay-trouble: ${JSON.stringify(trouble)}`));
    room.on('ended', ({ kind, error }) => this.#mark('ended', error === null ? kind : error.code));
    this.#statsTimer = setInterval(() => this.#measure(), STATS_EVERY_MS);
  }

  /** What has come up since the last call. */
  takeNews(): PageNews {
    const news = this.#news;
    this.#news = noNews();
    return news;
  }

  /** From now on pictures are kept for comparison. */
  keepPictures(): void {
    for (const viewer of this.#viewers.values()) viewer.keep();
  }

  /** Numbers of the kept pictures by sender's name. */
  keptPictures(): KeptFrame[] {
    return [...this.#viewers.values()].flatMap((viewer) => viewer.kept);
  }

  /** Frames of our own as they were sent, drawn again. */
  async drawAgain(frames: readonly number[]): Promise<KeptFrame[]> {
    const { video, number } = this.#task;
    if (video === null) return [];
    const maker = new PictureMaker({ ...video, sender: number });
    const drawn: KeptFrame[] = [];
    for (const frame of frames) {
      maker.draw(frame);
      const picture = new VideoFrame(maker.canvas, { timestamp: 0 });
      try {
        const bytes = new Uint8Array(picture.allocationSize());
        await picture.copyTo(bytes);
        const { width, height } = maker.canvas;
        drawn.push({
          sender: number,
          frame,
          width,
          height,
          format: picture.format ?? '',
          fullRange: true,
          data: base64(bytes),
        });
      } finally {
        picture.close();
      }
    }
    return drawn;
  }

  async stop(): Promise<void> {
    clearInterval(this.#statsTimer);
    this.#camera?.stop();
    for (const end of this.#deaf.splice(0)) end();
    for (const viewer of this.#viewers.values()) viewer.close();
    await this.#room?.leave();
    await this.#sound?.close();
  }

  #receive({ track, kind, sessionId }: RemoteTrack): void {
    const sender = this.#room?.participants.find((one) => one.sessionId === sessionId)?.name;
    if (sender === undefined) return;
    this.#sendersOfTracks.set(track.id, sender);
    // What a light peer plays has no time code and no ticks: it is decoded and shown, as everything is.
    const timed = this.#task.others.some(({ name, kind: of }) => name === sender && of === 'page');
    if (kind === 'audio') {
      const heard = timed
        ? this.#sound?.listen(track, (pitch, atMs) => this.#news.heard.push([sender, pitch, atMs]))
        : this.#sound?.play(track);
      if (heard !== undefined) this.#deaf.push(heard);
      return;
    }
    const { keepEvery, keepMost } = this.#task;
    this.#viewers.get(sender)?.close();
    this.#viewers.set(
      sender,
      new Viewer(track, {
        timed,
        keepEvery,
        keepMost,
        onShown: (shown) => {
          const { sender: number, frame, shownMs, receivedMs, decodeMs, width, height } = shown;
          this.#news.shown.push([number, frame, shownMs, receivedMs, decodeMs, width, height]);
          this.#see(sender);
        },
        onUnread: () => {
          this.#news.unread[sender] = (this.#news.unread[sender] ?? 0) + 1;
        },
      }),
    );
  }

  #see(sender: string): void {
    if (this.#seen.has(sender)) return;
    this.#seen.add(sender);
    const awaited = this.#task.others.filter(({ kind, sendsVideo }) => kind === 'page' && sendsVideo);
    if (awaited.every(({ name }) => this.#seen.has(name))) this.#mark('visible');
  }

  /** The browser is read all the time, whether the node answers or not: while a line is cut nobody does. */
  #measure(): void {
    if (this.#room === undefined || this.#room.phase.name === 'ended') return;
    void this.#read();
    void this.#ask();
  }

  async #readReports(): Promise<void> {
    const reports = await this.#peers.reports((trackId) => this.#sendersOfTracks.get(trackId));
    this.#news.stats.push({ atMs: pageMs(), reports });
  }

  async #askNode(): Promise<void> {
    const room = this.#room;
    try {
      const { node = null, nodeId } = (await room?.stats()) ?? {};
      if (node !== null && nodeId !== undefined) this.#news.node.push({ atMs: pageMs(), nodeId, stats: node });
    } catch (error) {
      // While it reconnects there is nobody to ask; the mark of that says so.
      if (room?.phase.name === 'connected') this.#mark('trouble', `stats: ${toSdkError(error).code}`);
    }
  }

  #mark(what: PageNews['marks'][number]['what'], detail?: string): void {
    this.#news.marks.push({ atMs: pageMs(), what, ...(detail === undefined ? {} : { detail }) });
  }
}

const stepsOf = ({ steps, sequentialRoundTrips }: JoinTimings): string =>
  [
    ...steps.map(({ step, startMs, endMs }) => `${step} ${Math.round(endMs - startMs)} ms`),
    `${sequentialRoundTrips} round trips in a row`,
  ].join(', ');
