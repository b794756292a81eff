import { describe, expect, it } from 'vitest';
import { DatagramTrace, TRACE_FIELDS } from '../../src/wan/trace.ts';

function tagged(tag: number): Buffer {
  const payload = Buffer.alloc(20);
  payload.writeUInt32BE(tag);
  return payload;
}

describe('the trace of a proxy', () => {
  it('keeps every datagram in order, also where it has grown', () => {
    const trace = new DatagramTrace();
    const count = 10_000;
    for (let i = 0; i < count; i += 1) trace.delivered(tagged(i), i, i + 40, i + 40.5);
    trace.dropped(tagged(7), 1, 'queue');
    const { rows, drops } = trace.read();
    expect(rows).toHaveLength(count * TRACE_FIELDS);
    expect(rows).toEqual(Float64Array.from(Array.from({ length: count }, (_, i) => [i, i, 40, 0.5]).flat()));
    expect(drops).toEqual([{ tag: 7, reason: 'queue' }]);
  });

  it('is empty before anything came, and leaves out what is too short to have a tag', () => {
    const trace = new DatagramTrace();
    trace.delivered(Buffer.alloc(3), 0, 1, 2);
    trace.dropped(Buffer.alloc(3), 0, 'loss');
    expect(trace.read()).toEqual({ rows: new Float64Array(), drops: [] });
  });
});
