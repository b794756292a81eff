/** Lower end of the first bucket, milliseconds; buckets grow by a tenth up to about 5 s. */
const LEAST_MS = 0.05;
const GROWTH = Math.log(1.1);
const BUCKETS = 121;

/** Counts of times by size, precise to a tenth: small enough to be sent every second, and two of them can be subtracted. */
export class LogHistogram {
  readonly counts: number[];

  constructor(counts?: readonly number[]) {
    this.counts = counts === undefined ? new Array<number>(BUCKETS).fill(0) : [...counts];
  }

  add(ms: number): void {
    const bucket = ms <= LEAST_MS ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log(ms / LEAST_MS) / GROWTH));
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
  }

  plus(other: readonly number[], sign: 1 | -1 = 1): LogHistogram {
    return new LogHistogram(this.counts.map((count, index) => count + sign * (other[index] ?? 0)));
  }

  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Interpolated inside its bucket; null where nothing was counted. */
  quantile(share: number): number | null {
    const total = this.total;
    if (total === 0) return null;
    let before = 0;
    for (const [bucket, count] of this.counts.entries()) {
      if (count > 0 && before + count >= share * total) {
        return LEAST_MS * Math.exp(GROWTH * (bucket + (share * total - before) / count));
      }
      before += count;
    }
    return LEAST_MS * Math.exp(GROWTH * BUCKETS);
  }
}
