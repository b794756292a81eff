/**
 * What the browser keeps of the sound that comes while its audio context does not listen, and gives it afterwards. Milliseconds;
 * Chromium's ten portions of 10 ms.
 */
export const KEPT_MS = 100;

/** From an audio context's clock to the wall's; milliseconds on both. */
export interface AudioClock {
  /** The context has listened until then: so says a message that has come by now. */
  told(audioMs: number, wallMs: number): void;
  /** NaN before anything was told. */
  wallOf(audioMs: number): number;
  /** A spell on the context's clock, cut where the context paused for longer than the browser keeps what comes. */
  onWall(spell: readonly [number, number]): [number, number][];
}

/**
 * An audio context does nothing for whole buffers where the machine does not let it run in time, and never catches up: its clock
 * only ever falls behind. Messages only ever come late. So of everything that was told from a moment on, the smallest
 * difference between the clocks is the one of that moment.
 *
 * It also runs in pages, by its text: it uses nothing from around it.
 */
export function audioClock(keptMs: number): AudioClock {
  // Up to which moment which difference holds; both grow.
  const steps: { readonly untilMs: number; readonly offsetMs: number }[] = [];
  const offsetAt = (audioMs: number): number =>
    (steps.find(({ untilMs }) => untilMs >= audioMs) ?? steps.at(-1))?.offsetMs ?? Number.NaN;
  return {
    told(audioMs, wallMs) {
      const offsetMs = wallMs - audioMs;
      while ((steps.at(-1)?.offsetMs ?? Number.NEGATIVE_INFINITY) >= offsetMs) steps.pop();
      steps.push({ untilMs: audioMs, offsetMs });
    },
    wallOf: (audioMs) => audioMs + offsetAt(audioMs),
    onWall([fromMs, toMs]) {
      const parts: [number, number][] = [];
      let partMs = fromMs + offsetAt(fromMs);
      steps.forEach(({ untilMs, offsetMs }, index) => {
        const next = steps[index + 1];
        if (next === undefined || untilMs <= fromMs || untilMs >= toMs || next.offsetMs - offsetMs <= keptMs) return;
        parts.push([partMs, untilMs + offsetMs]);
        partMs = untilMs + next.offsetMs;
      });
      return [...parts, [partMs, toMs + offsetAt(toMs)]];
    },
  };
}
