/**
 * Random numbers by counter: draw `index` of the stream `seed` is a pure function of both, so a link's
 * fate of packet 812 is the same in every run with that seed, whatever was drawn between.
 */

/** The finaliser of MurmurHash3 (public domain, A. Appleby): every input bit moves every output bit. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A seed for a stream of its own, from a seed and a name: 'amsterdam-singapore/forward', 'loss'. */
export function seedOf(seed: number, name: string): number {
  let h = mix(seed ^ 0x9e3779b9);
  for (let i = 0; i < name.length; i += 1) h = mix(Math.imul(h, 31) + name.charCodeAt(i));
  return h;
}

/** Uniform in [0, 1); 2^32 steps. `index` is a whole number >= 0. */
export function uniformAt(seed: number, index: number): number {
  const low = Math.imul(index | 0, 0x9e3779b1);
  const high = Math.floor(index / 0x1_0000_0000);
  return mix(mix(low ^ seed) + Math.imul(high + 1, 0x7f4a7c15)) / 0x1_0000_0000;
}

/** Standard normal (mean 0, deviation 1), by Box and Muller from the draws 2 * index and 2 * index + 1. */
export function normalAt(seed: number, index: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniformAt(seed, 2 * index)));
  return radius * Math.cos(2 * Math.PI * uniformAt(seed, 2 * index + 1));
}

/** The standard normal's distribution function, to 1.5e-7 (Abramowitz and Stegun, 7.1.26). */
export function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - poly * Math.exp(-z * z);
  return x >= 0 ? (1 + erf) / 2 : (1 - erf) / 2;
}
