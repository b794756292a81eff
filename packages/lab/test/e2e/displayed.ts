import type { Person } from '../../src/index.ts';

/**
 * What a person sees and hears of somebody: when frames were presented in the tile (whichever element they are in), and
 * how loud it was, as the page's own elements play it. By the page's clock, milliseconds.
 */
const RECORDER = `(name) => {
  const tile = [...document.querySelectorAll('[data-testid="tile"]')].find((one) =>
    one.querySelector('[data-testid="tile-name"]')?.textContent?.includes(name));
  if (!tile) throw new Error('no tile of ' + name);
  const frames = [];
  const known = new WeakSet();
  const follow = (video) => {
    if (known.has(video)) return;
    known.add(video);
    const onFrame = (_now, { presentationTime }) => {
      if (video.isConnected) frames.push([presentationTime, video.srcObject?.getVideoTracks()[0]?.id ?? '']);
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  };
  const look = () => tile.querySelectorAll('video').forEach(follow);
  look();
  const observer = new MutationObserver(look);
  observer.observe(tile, { childList: true, subtree: true });
  const loud = [];
  const context = window.__meridianAudio?.();
  if (context) context.onLevel = (atMs, level) => loud.push([atMs, level]);
  window.__displayed = { frames, loud };
}`;

/** Every audio element that the page makes is heard through one meter, at the volume that it has. */
export const AUDIO_METER = `(() => {
  const elements = new Set();
  const Native = window.Audio;
  window.Audio = function (...args) {
    const made = new Native(...args);
    elements.add(made);
    return made;
  };
  let meter;
  window.__meridianAudio = () => {
    if (meter) return meter;
    const context = new AudioContext();
    const sum = context.createGain();
    const heard = new Map();
    const processor = context.createScriptProcessor(256, 1, 1);
    const silent = context.createGain();
    silent.gain.value = 0;
    sum.connect(processor).connect(silent).connect(context.destination);
    meter = { onLevel: () => {} };
    processor.onaudioprocess = ({ inputBuffer }) => {
      const data = inputBuffer.getChannelData(0);
      let power = 0;
      for (const sample of data) power += sample * sample;
      meter.onLevel(performance.now(), Math.sqrt(power / data.length));
      for (const element of elements) {
        const stream = element.srcObject;
        let tap = heard.get(element);
        if (stream && !element.paused && !tap) {
          tap = { source: context.createMediaStreamSource(stream), gain: context.createGain() };
          tap.source.connect(tap.gain).connect(sum);
          heard.set(element, tap);
        }
        if (tap) tap.gain.gain.value = stream && !element.paused ? element.volume : 0;
      }
    };
    void context.resume();
    return meter;
  };
})();`;

/** In place of the microphone: a steady tone, so that any hole is a hole of the way and not of the source. */
export const TONE_MICROPHONE = `(() => {
  const native = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await native(wanted);
    if (!wanted?.audio) return stream;
    const context = new AudioContext();
    const tone = context.createOscillator();
    tone.frequency.value = 330;
    const out = context.createMediaStreamDestination();
    tone.connect(out);
    tone.start();
    await context.resume();
    for (const track of stream.getAudioTracks()) {
      stream.removeTrack(track);
      track.stop();
    }
    for (const track of out.stream.getAudioTracks()) stream.addTrack(track);
    return stream;
  };
})();`;

export async function recordDisplay(viewer: Person, of: string): Promise<void> {
  await viewer.page.evaluate(`(${RECORDER})(${JSON.stringify(of)})`);
}

export interface Displayed {
  /** Frames presented so far. */
  readonly frames: number;
  /** The longest time between two frames that follow one another, milliseconds. */
  readonly longestGapMs: number;
  /** The middle one of those times. */
  readonly usualGapMs: number;
  /** Between the last frame of one track and the first of the next one. */
  readonly changeGapsMs: readonly number[];
  /** The longest time in which less than a tenth of the usual loudness was heard, milliseconds; null where none was. */
  readonly longestSilenceMs: number | null;
}

export async function displayed(viewer: Person): Promise<Displayed> {
  const { frames, loud } = (await viewer.page.evaluate('window.__displayed')) as {
    frames: [number, string][];
    loud: [number, number][];
  };
  const times = frames.toSorted(([a], [b]) => a - b);
  const gaps = times.slice(1).map(([at, track], index) => {
    const [before, trackBefore] = times[index] ?? [at, track];
    return { ms: at - before, changes: track !== trackBefore };
  });
  const longest = (some: readonly { ms: number }[]) => Math.round(Math.max(0, ...some.map(({ ms }) => ms)));
  return {
    frames: frames.length,
    longestGapMs: longest(gaps),
    usualGapMs: Math.round(middleOf(gaps.map(({ ms }) => ms))),
    changeGapsMs: gaps.filter(({ changes }) => changes).map(({ ms }) => Math.round(ms)),
    longestSilenceMs: longestSilence(loud),
  };
}

function longestSilence(loud: readonly (readonly [number, number])[]): number | null {
  const usual = middleOf(loud.map(([, level]) => level));
  if (loud.length === 0 || usual < 0.001) return null;
  let longest = 0;
  let since: number | undefined;
  for (const [atMs, level] of loud) {
    if (level >= usual / 10) since = undefined;
    else since ??= atMs;
    if (since !== undefined) longest = Math.max(longest, atMs - since);
  }
  return Math.round(longest);
}

const middleOf = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
