import { ConsumerId, type ConsumerOptions, ProducerId, SessionId } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { type Bystander, Bystanders } from '../../src/fuzz/bystanders.ts';
import { Tally } from '../../src/fuzz/tally.ts';
import type { LightPeerOptions } from '../../src/light/light-peer.ts';
import { opusParameters } from '../../src/light/rtp-parameters.ts';

/** A room's people, who hear of each other as real ones do. */
class Room {
  readonly #people: { readonly sessionId: SessionId; readonly options: LightPeerOptions }[] = [];

  readonly join = (options: LightPeerOptions): Promise<Bystander> => {
    const sessionId = SessionId.parse(`session-${this.#people.length + 1}`);
    this.#people.push({ sessionId, options });
    const consumer: ConsumerOptions = {
      consumerId: ConsumerId.parse('consumer'),
      producerId: ProducerId.parse('producer'),
      sessionId,
      kind: 'audio',
      source: 'microphone',
      type: 'simple',
      rtpParameters: opusParameters(1, sessionId),
      producerPaused: false,
    };
    return Promise.resolve({
      sessionId,
      connected: true,
      lost: undefined,
      consumers: new Map([
        [`audio-of-${sessionId}`, consumer],
        [`video-of-${sessionId}`, consumer],
      ]),
      received: new Map([
        [ProducerId.parse('audio'), 1],
        [ProducerId.parse('video'), 1],
      ]),
      receivedPackets: 2,
      publish: () => Promise.resolve(),
      receive: () => Promise.resolve(),
      leave: () => {
        this.leave(sessionId);
        return Promise.resolve();
      },
    });
  };

  /** All others hear that somebody has left, and lose the stream. */
  leave(sessionId: SessionId): void {
    for (const { sessionId: other, options } of this.#people) {
      if (other === sessionId) continue;
      const data = { sessionId, epoch: 1, reason: 'left' };
      options.onHeard?.({ event: 'participant-left', data });
      options.onHeard?.({ event: 'consumer-closed', data: { consumerId: `audio-of-${other}` } });
    }
  }

  static async withBystanders(): Promise<{ room: Room; bystanders: Bystanders; tally: Tally }> {
    const room = new Room();
    const tally = new Tally();
    const regions = ['eu', 'as'] as const;
    const bystanders = await Bystanders.start({ url: '', rooms: ['a room'], regions, tally, join: room.join });
    return { room, bystanders, tally };
  }
}

describe('the bystanders of the fuzzer', () => {
  test('that leave when all is over were put out by nobody', async () => {
    const { bystanders, tally } = await Room.withBystanders();

    await bystanders.stop();

    expect(tally.violations).toEqual([]);
  });

  test('that are gone before count as put out, and so do the streams that the others lose', async () => {
    const { room, bystanders, tally } = await Room.withBystanders();

    room.leave(SessionId.parse('session-1'));

    expect(tally.violations).toEqual([
      'Bystander 2 was told that session-1 has left',
      'Bystander 2 lost a stream of another bystander',
    ]);
    await bystanders.stop();
  });
});
