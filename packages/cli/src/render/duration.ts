const UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['min', 60_000],
  ['h', 3_600_000],
]);

/** `500ms`, `30s`, `5m`, `1h` in milliseconds; undefined for anything else: a number without a unit means nothing. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)\s?(ms|s|m|min|h)$/.exec(text.trim()) ?? [];
  const factor = UNITS.get(unit);
  return number === undefined || factor === undefined ? undefined : Math.round(Number(number) * factor);
}
