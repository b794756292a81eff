import { type RefObject, useEffect } from 'react';

/**
 * Writes the loudness of a track, 0 to 1, into the CSS variable `--level` of an element, as often as the
 * browser paints. React is left out of it: nothing else depends on the value.
 */
export function useMicLevel(track: MediaStreamTrack | null, element: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const target = element.current;
    if (track === null || target === null) return;
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 512;
    const source = context.createMediaStreamSource(new MediaStream([track]));
    source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let level = 0;
    let frame = 0;
    const measure = () => {
      analyser.getFloatTimeDomainData(samples);
      let sum = 0;
      for (const sample of samples) sum += sample * sample;
      // From -60 dBFS (silence) to -10 dBFS (loud speech).
      const loudness = 20 * Math.log10(Math.sqrt(sum / samples.length) + 1e-9);
      const now = Math.max(0, Math.min(1, (loudness + 60) / 50));
      level = now > level ? now : level * 0.9 + now * 0.1;
      target.style.setProperty('--level', level.toFixed(3));
      frame = requestAnimationFrame(measure);
    };
    frame = requestAnimationFrame(measure);
    return () => {
      cancelAnimationFrame(frame);
      target.style.removeProperty('--level');
      source.disconnect();
      void context.close();
    };
  }, [track, element]);
}
