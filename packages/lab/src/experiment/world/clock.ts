/** Epoch milliseconds by this process's clock, which never jumps. */
export const recorderMs = (): number => performance.timeOrigin + performance.now();

/** The one answered soonest counts. */
const QUESTIONS = 12;

/** How far another clock is ahead of ours, ms, and how exactly that is known: half of the quickest round trip of asking. */
export async function askClock(now: () => Promise<number>): Promise<{ offsetMs: number; uncertaintyMs: number }> {
  let best = { offsetMs: 0, uncertaintyMs: Number.POSITIVE_INFINITY };
  for (let question = 0; question < QUESTIONS; question += 1) {
    const asked = recorderMs();
    const answer = await now();
    const answered = recorderMs();
    const uncertaintyMs = (answered - asked) / 2;
    if (uncertaintyMs < best.uncertaintyMs) best = { offsetMs: answer - (asked + answered) / 2, uncertaintyMs };
  }
  return best;
}
