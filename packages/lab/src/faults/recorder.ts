import { z } from 'zod';
import { audioClock, KEPT_MS } from './audio-clock.ts';

/** Hertz. Each person's microphone is one of these: a listener can tell from the sound who is heard. */
export const TONES_HZ = [500, 800, 1_100, 1_400] as const;
/** Time over which the loudness of a tone is taken; gaps are known to this. Milliseconds. */
export const HEARING_MS = 20;

/** What a page has seen and heard. Times are milliseconds since 1970 by the machine's clock. */
export const Recording = z.object({
  /** By the name in the tile: when each frame came to the element that was seen there. */
  frames: z.record(z.string(), z.array(z.number())),
  /** By the name in the tile: when another element than before came to be seen there. */
  changes: z.record(z.string(), z.array(z.number())),
  /** When each frame came from the page's own camera. */
  camera: z.array(z.number()),
  /** By tone (hertz): spells in which it could be heard. The last one may be going on: then it ends now. */
  heard: z.record(z.string(), z.array(z.tuple([z.number(), z.number()]))),
  /** What the signalling said, and what became of its connections. */
  signals: z.array(
    z.object({
      atMs: z.number(),
      event: z.string(),
      /** Whom it is about, where it says so. */
      sessionId: z.string().nullable(),
      /** Reason, code or state, where there is one. */
      detail: z.string().nullable(),
    }),
  ),
  /** Until when what is played was listened to: it is told in batches. */
  listenedUntil: z.number(),
  now: z.number(),
});
export type Recording = z.infer<typeof Recording>;

/** When somebody was seen (by the name in the tile) and heard (by tone) last: cheap to ask for while a call is measured. */
export const Latest = z.object({
  seen: z.record(z.string(), z.number()),
  heard: z.record(z.string(), z.number()),
  now: z.number(),
});
export type Latest = z.infer<typeof Latest>;

/**
 * Runs in the page before any of its scripts. The microphone is replaced by a steady tone (a beep with
 * pauses would leave open whether silence is a gap); whatever the page plays is listened to, tone by
 * tone, and every frame that comes to an element that is seen is noted with the name in its tile. It looks at what
 * the page shows and plays, and so knows nothing of the SDK.
 *
 * Frames are counted in a worker: the browser puts them on the screen without the page's main thread, whose callbacks
 * (`requestVideoFrameCallback`) come late or not at all while it is busy, though nobody misses a picture. The callback only
 * says when an element shows its first one; from then until it is emptied, the element is what is seen. The page's own camera is
 * counted in the same way: where it pauses, nobody can be shown anything.
 */
export const recorderScript = (ownToneHz: number): string => `(() => {
  const TONES = ${JSON.stringify(TONES_HZ)};
  const WINDOW_MS = ${HEARING_MS};
  const wall = (ms) => performance.timeOrigin + ms;
  // By tone, on the audio context's clock.
  const heard = {};
  const signals = [];
  let audio;
  const clock = (${audioClock})(${KEPT_MS});
  let listenedUntilMs = 0;

  const worklet = 'registerProcessor("ears", class extends AudioWorkletProcessor {' +
    'constructor({ processorOptions: { tones, windowMs } }) { super();' +
    'this.size = Math.round(sampleRate * windowMs / 1000);' +
    'this.bins = tones.map((tone) => ({ tone, factor: 2 * Math.cos(2 * Math.PI * tone / sampleRate), a: 0, b: 0 }));' +
    'this.filled = 0; this.batch = []; }' +
    'process([input]) { const samples = input[0];' +
    'for (let i = 0; i < 128; i++) { const sample = samples === undefined ? 0 : samples[i];' +
    'for (const bin of this.bins) { const next = sample + bin.factor * bin.a - bin.b; bin.b = bin.a; bin.a = next; }' +
    'if (++this.filled === this.size) { this.batch.push(this.bins.map((bin) => {' +
    'const power = (bin.a * bin.a + bin.b * bin.b - bin.factor * bin.a * bin.b) / (this.size * this.size / 4);' +
    'bin.a = bin.b = 0; return power; })); this.filled = 0; } }' +
    'if (this.batch.length >= 5) { this.port.postMessage({ endS: currentTime, batch: this.batch }); this.batch = []; }' +
    'return true; } });';

  const openAudio = () => {
    audio ??= (async () => {
      // Nobody listens but the worklet: without a device, and in larger portions, it costs less.
      const context = new AudioContext({ sampleRate: 48_000, latencyHint: 'playback', sinkId: { type: 'none' } });
      await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' })));
      const ears = new AudioWorkletNode(context, 'ears', {
        numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit',
        processorOptions: { tones: TONES, windowMs: WINDOW_MS },
      });
      ears.port.onmessage = ({ data: { endS, batch } }) => {
        listenedUntilMs = endS * 1000;
        clock.told(listenedUntilMs, wall(performance.now()));
        batch.forEach((powers, index) => {
          const endMs = listenedUntilMs - (batch.length - 1 - index) * WINDOW_MS;
          powers.forEach((power, bin) => {
            // 40 dB below full scale; a tone that is heard is 20 dB above that.
            if (power < 1e-4) return;
            const spells = (heard[TONES[bin]] ??= []);
            const last = spells.at(-1);
            if (last !== undefined && endMs - WINDOW_MS - last[1] < WINDOW_MS / 2) last[1] = endMs;
            else spells.push([endMs - WINDOW_MS, endMs]);
          });
        });
      };
      return { context, ears };
    })();
    return audio;
  };

  const ownTracks = new WeakSet();
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const { audio: wantsAudio, ...rest } = constraints;
    // Small, so that neither the machine nor the bit rate is the bottleneck (Chromium's test picture in 180 lines
    // at times loses frames at its sender), but with all its frames: a gap is read off between two of them.
    if (rest.video) rest.video = { ...rest.video, width: { ideal: 160 }, height: { ideal: 90 }, frameRate: { ideal: 30 } };
    const tracks = rest.video ? (await ask(rest)).getTracks() : [];
    for (const track of tracks) {
      ownTracks.add(track);
      const camera = { moments: [] };
      cameras.push(camera);
      countFrames(track, camera);
    }
    if (wantsAudio) {
      const { context } = await openAudio();
      const tone = new OscillatorNode(context, { frequency: ${ownToneHz} });
      const loudness = new GainNode(context, { gain: 0.3 });
      const out = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
      tone.connect(loudness).connect(out);
      tone.start();
      tracks.push(...out.stream.getAudioTracks());
    }
    return new MediaStream(tracks);
  };

  const nameOf = (element) =>
    element.closest('[data-testid="tile"]')?.querySelector('[data-testid="tile-name"]')?.textContent?.trim();
  const counter = 'const counts = []; const tell = (done) => {' +
    'postMessage({ counts: counts.splice(0), done }); };' +
    'onmessage = async ({ data: { id, frames } }) => { if (frames === undefined) return tell(true);' +
    'const reader = frames.getReader();' +
    'for (;;) { const { done, value } = await reader.read(); if (done) break; value.close();' +
    'counts.push([id, performance.timeOrigin + performance.now()]); if (counts.length >= 60) tell(false); } };';
  let counting;
  // What is counted, by the id that the worker knows it by.
  const targets = [];
  const views = [];
  const cameras = [];
  const told = [];
  const countFrames = (track, target) => {
    if (counting === undefined) {
      counting = new Worker(URL.createObjectURL(new Blob([counter], { type: 'text/javascript' })));
      counting.onmessage = ({ data: { counts, done } }) => {
        for (const [id, at] of counts) targets[id].moments.push(at);
        if (done) told.shift()();
      };
    }
    const frames = new MediaStreamTrackProcessor({ track }).readable;
    counting.postMessage({ id: targets.push(target) - 1, frames }, [frames]);
  };
  /** Until everything that was counted by now is known here. */
  const counted = () => counting && new Promise((resolve) => {
    told.push(resolve);
    counting.postMessage({});
  });
  const viewOf = new WeakMap();
  const watch = (element, stream) => {
    const before = viewOf.get(element);
    if (before !== undefined) before.toMs = wall(performance.now());
    viewOf.delete(element);
    const track = stream instanceof MediaStream ? stream.getVideoTracks()[0] : undefined;
    // One that has just ended cannot be counted, and shows nothing more.
    if (track === undefined || track.readyState === 'ended' || ownTracks.has(track)) return;
    const view = { name: undefined, fromMs: Infinity, toMs: Infinity, moments: [] };
    viewOf.set(element, view);
    views.push(view);
    countFrames(track, view);
    const onFrame = (_now, { presentationTime }) => {
      view.fromMs = Math.min(view.fromMs, wall(presentationTime));
      view.name = nameOf(element);
      // Not yet in its tile.
      if (view.name === undefined && viewOf.get(element) === view) element.requestVideoFrameCallback(onFrame);
    };
    element.requestVideoFrameCallback(onFrame);
  };
  const viewsSeen = () => views.filter(({ name }) => name !== undefined).sort((a, b) => a.fromMs - b.fromMs);
  // The newer element of a tile lies on the older one.
  const framesSeen = () => {
    const frames = {};
    const shown = viewsSeen();
    shown.forEach(({ name, fromMs, toMs, moments }, index) => {
      const next = shown.slice(index + 1).find((one) => one.name === name);
      const untilMs = Math.min(toMs, next?.fromMs ?? Infinity);
      (frames[name] ??= []).push(fromMs, ...moments.filter((at) => at > fromMs && at <= untilMs));
    });
    return frames;
  };
  const changesSeen = () => {
    const changes = {};
    for (const { name, fromMs } of viewsSeen()) (changes[name] ??= []).push(fromMs);
    return Object.fromEntries(Object.entries(changes).map(([name, moments]) => [name, moments.slice(1)]));
  };
  const sources = new WeakMap();
  const listen = async (element, stream) => {
    sources.get(element)?.disconnect();
    sources.delete(element);
    if (!(stream instanceof MediaStream) || stream.getAudioTracks().length === 0) return;
    const { context, ears } = await openAudio();
    if (element.srcObject !== stream) return;
    const source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
    source.connect(ears);
    sources.set(element, source);
  };
  const property = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'srcObject');
  Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', {
    ...property,
    set(stream) {
      property.set.call(this, stream);
      if (this instanceof HTMLVideoElement) watch(this, stream);
      else void listen(this, stream);
    },
  });

  const note = (event, sessionId = null, detail = null) =>
    signals.push({ atMs: wall(performance.now()), event, sessionId, detail });
  window.WebSocket = new Proxy(window.WebSocket, {
    construct(target, args) {
      const socket = new target(...args);
      socket.addEventListener('open', () => note('socket-open'));
      socket.addEventListener('close', ({ code }) => note('socket-closed', null, String(code)));
      socket.addEventListener('message', ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.t !== 'ntf') return;
        const { participant, producer, sessionId, reason, code, connection, resumed } = frame.data;
        const about = participant?.sessionId ?? producer?.sessionId ?? sessionId ?? null;
        const detail = reason ?? code ?? participant?.connection ?? connection ?? resumed ?? null;
        note(frame.event, about, detail === null ? null : String(detail));
      });
      return socket;
    },
  });

  const ofEach = (all, of) => Object.fromEntries(Object.entries(all).map(([key, some]) => [key, of(some)]));
  window.__meridianRecorder = {
    async read() {
      await counted();
      return {
        frames: framesSeen(),
        changes: changesSeen(),
        camera: cameras.flatMap(({ moments }) => moments),
        heard: ofEach(heard, (spells) => spells.flatMap(clock.onWall)),
        listenedUntil: clock.wallOf(listenedUntilMs),
        signals,
        now: wall(performance.now()),
      };
    },
    async latest() {
      await counted();
      return {
        seen: ofEach(framesSeen(), (moments) => moments.at(-1)),
        heard: ofEach(heard, (spells) => clock.wallOf(spells.at(-1)?.[1] ?? 0)),
        now: wall(performance.now()),
      };
    },
    forget(beforeMs) {
      for (const one of targets) one.moments = one.moments.filter((at) => at >= beforeMs);
      for (const tone of Object.keys(heard)) heard[tone] = heard[tone].filter(([, end]) => clock.wallOf(end) >= beforeMs);
      signals.splice(0, signals.length, ...signals.filter(({ atMs }) => atMs >= beforeMs));
    },
  };
})();`;
