export interface Tried {
  readonly level: number;
  readonly held: boolean;
}

export interface SearchRange {
  readonly from: number;
  readonly to: number;
  /** Levels are whole multiples of it above `from`, and the knee is found this precisely. */
  readonly step: number;
}

/** While everything holds, by this much at a time. */
const RAISE = 1.5;

/** The highest level that held below the lowest that broke. */
export function kneeOf(tried: readonly Tried[]): { held: number | undefined; broke: number | undefined } {
  const broken = tried.filter(({ held }) => !held).map(({ level }) => level);
  const broke = broken.length === 0 ? undefined : Math.min(...broken);
  const held = tried.filter((one) => one.held && (broke === undefined || one.level < broke)).map(({ level }) => level);
  return { held: held.length === 0 ? undefined : Math.max(...held), broke };
}

/**
 * The level to try next: up by half until something breaks, then the middle between what held and what broke.
 * @returns undefined when the knee is known to a step, the range is used up, or even its beginning broke
 */
export function nextLevel(tried: readonly Tried[], { from, to, step }: SearchRange): number | undefined {
  if (tried.length === 0) return from;
  const { held, broke } = kneeOf(tried);
  if (held === undefined) return undefined;
  if (broke === undefined) {
    if (held >= to) return undefined;
    const raised = from + Math.ceil((held * RAISE - from) / step) * step;
    return Math.min(to, Math.max(held + step, raised));
  }
  const steps = Math.floor((broke - held) / step / 2);
  return steps >= 1 ? held + steps * step : undefined;
}
