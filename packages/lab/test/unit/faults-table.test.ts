import { describe, expect, test } from 'vitest';
import { drain } from '../../src/faults/catalogue/processes.ts';
import type { RunResult } from '../../src/faults/run.ts';
import { overLimits, tableOf } from '../../src/faults/table.ts';

const outage = (gapMs: number) => ({ gapMs, gapAtMs: 100, backAfterMs: 0, usualGapMs: 40 });

/** A drain in which Binh's picture paused for Anna, and Binh's camera itself. */
const run = (gapMs: number, cameraGapMs: number): RunResult => ({
  fault: 'drain',
  run: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  victims: ['Chi'],
  lastedMs: 10_000,
  agreedAfterMs: 0,
  cpu: { before: 0.3, after: 0.5 },
  directions: [
    { viewer: 'Anna', of: 'Binh', hit: false, video: outage(gapMs), changesAtMs: [], audio: outage(0) },
    { viewer: 'Anna', of: 'Chi', hit: true, video: outage(40), changesAtMs: [], audio: outage(0) },
  ],
  cameras: [
    { of: 'Binh', video: outage(cameraGapMs) },
    { of: 'Chi', video: null },
  ],
  told: [],
  checks: [],
});

const series = (...results: RunResult[]) => ({ results, failed: [], leaks: new Map() });

function cellsOf(results: RunResult[]): Map<string, string[]> {
  const [head = '', , row = ''] = tableOf([drain], series(...results));
  const cells = row.split(' | ');
  const found = new Map<string, string[]>();
  for (const [index, name] of head.split(' | ').entries()) {
    found.set(name, [...(found.get(name) ?? []), cells[index] ?? '']);
  }
  return found;
}

describe('what the table says of a drain', () => {
  test('what the cameras themselves missed stands beside what was missed of them', () => {
    const cells = cellsOf([run(90, 80), run(130, 120), run(60, 40)]);
    expect(cells.get('longest frame gap, median')).toEqual(['90 ms']);
    expect(cells.get("cameras' own longest gap, median")).toEqual(['80 ms']);
    expect(cells.get('worst')).toContain('120 ms');
  });

  test('the bound holds for what was received, whatever the cameras did', () => {
    expect(overLimits([drain], series(run(130, 120)))).toEqual([
      'drain: frame gap 130 ms (p95), meant to be at most 100 ms',
    ]);
    expect(overLimits([drain], series(run(90, 120)))).toEqual([]);
  });
});
