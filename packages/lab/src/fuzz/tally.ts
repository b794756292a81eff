/** What became of what was sent: counts by channel and outcome, and whatever must not be. */
export class Tally {
  readonly #counts = new Map<string, Map<string, number>>();
  readonly violations: string[] = [];
  sent = 0;

  add(channel: string, outcome: string, count = 1): void {
    const outcomes = this.#counts.get(channel) ?? new Map<string, number>();
    this.#counts.set(channel, outcomes);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count);
  }

  violation(what: string): void {
    if (this.violations.length < 50) this.violations.push(what);
  }

  /** One line per channel: how much came to which end. */
  table(): string {
    const lines = [...this.#counts].map(([channel, outcomes]) => {
      const total = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
      const parts = [...outcomes].sort((a, b) => b[1] - a[1]).map(([outcome, count]) => `${outcome} ${count}`);
      return `| ${channel} | ${total} | ${parts.join(', ')} |`;
    });
    return ['| channel | answers | outcomes |', '| --- | --- | --- |', ...lines.sort()].join('\n');
  }
}
