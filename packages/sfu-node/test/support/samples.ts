/** The samples of a page in Prometheus's text format. */
export class Samples {
  readonly #lines: { name: string; labels: Record<string, string>; value: number }[];

  constructor(text: string) {
    this.#lines = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
        if (match === null) throw new Error(`not a sample: ${line}`);
        const [, name = '', labels = '', value = ''] = match;
        const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text]);
        return { name, labels: Object.fromEntries(pairs), value: Number(value) };
      });
  }

  /** The sum of the samples that carry these labels; undefined without any. */
  value(name: string, labels: Record<string, string> = {}): number | undefined {
    const found = this.#lines.filter(
      (line) => line.name === name && Object.entries(labels).every(([key, value]) => line.labels[key] === value),
    );
    return found.length === 0 ? undefined : found.reduce((sum, line) => sum + line.value, 0);
  }

  get names(): Set<string> {
    return new Set(this.#lines.map((line) => line.name));
  }
}
