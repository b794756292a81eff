import { DataProducerId, LinkId } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReplayWindow, SEAL_BYTES, Sealer, sealingKey, Unsealer } from '../../src/relay/sealing.ts';

const linkId = LinkId.parse('link');
const producerId = DataProducerId.parse('producer');
const srtp = (fill: number) =>
  ({ cryptoSuite: 'AEAD_AES_256_GCM', keyBase64: Buffer.alloc(44, fill).toString('base64') }) as const;
const key = sealingKey(linkId, srtp(1));
const message = { message: Buffer.from('hello'), ppid: 51 };

describe('a sealed data message', () => {
  it('opens to what was sealed, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.integer({ min: 0, max: 0xffffffff }), (bytes, ppid) => {
        const [sealer, unsealer] = [new Sealer(key), new Unsealer(key, producerId)];

        const frame = sealer.seal(producerId, { message: Buffer.from(bytes), ppid });

        expect(frame).toHaveLength(bytes.length + SEAL_BYTES);
        expect(unsealer.open(frame)).toEqual({ message: Buffer.from(bytes), ppid });
      }),
    );
  });

  it('does not open when any bit of it was changed', () => {
    const frame = new Sealer(key).seal(producerId, message);
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const changed = Buffer.from(frame);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(new Unsealer(key, producerId).open(changed)).toBeUndefined();
    }
  });

  it('does not open when it is cut short', () => {
    const frame = new Sealer(key).seal(producerId, message);
    for (let length = 0; length < frame.length; length++) {
      expect(new Unsealer(key, producerId).open(frame.subarray(0, length))).toBeUndefined();
    }
  });

  it('does not open for another producer, another link or another end', () => {
    const frame = new Sealer(key).seal(producerId, message);

    expect(new Unsealer(key, DataProducerId.parse('other')).open(frame)).toBeUndefined();
    for (const other of [sealingKey(LinkId.parse('other'), srtp(1)), sealingKey(linkId, srtp(2))]) {
      expect(new Unsealer(other, producerId).open(frame)).toBeUndefined();
    }
  });

  it('opens once', () => {
    const [sealer, unsealer] = [new Sealer(key), new Unsealer(key, producerId)];
    const frames = [sealer.seal(producerId, message), sealer.seal(producerId, message)];
    expect(frames[0]?.equals(frames[1] ?? Buffer.alloc(0))).toBe(false);

    const opened = [...frames, ...frames].map((frame) => unsealer.open(frame) !== undefined);

    expect(opened).toEqual([true, true, false, false]);
  });
});

describe('the replay window', () => {
  it('takes every counter that is not too old once, in whatever order they come', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 4_000n }), { maxLength: 4_000 }), (counters) => {
        const window = new ReplayWindow();
        const taken = new Set<bigint>();
        let highest = -1n;
        for (const counter of counters) {
          const expected = counter > highest - 1_024n && !taken.has(counter);
          expect(window.accept(counter)).toBe(expected);
          if (!expected) continue;
          taken.add(counter);
          if (counter > highest) highest = counter;
        }
      }),
      { numRuns: 50 },
    );
  });
});
