import { eventually } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ActiveSpeakers, MediasoupEngine, RoomMedia } from '../../src/index.ts';
import { newRoomId, startEngine } from '../support/engines.ts';
import { openLink, relay } from '../support/links.ts';
import { publish } from '../support/sources.ts';

describe('who speaks', () => {
  let engine: MediasoupEngine;
  let other: MediasoupEngine;
  let room: RoomMedia;
  let told: ActiveSpeakers[];

  beforeAll(async () => {
    [engine, other] = await Promise.all([startEngine({ emptyRoomLingerMs: 60_000 }), startEngine()]);
  });

  afterAll(async () => {
    await Promise.all([engine.close(), other.close()]);
  });

  beforeEach(async () => {
    told = [];
    room = await engine.openRoom(newRoomId());
    room.on('active-speakers', (speakers) => told.push(speakers));
  });

  afterEach(() => {
    room.close();
  });

  it('is told with the loudest first, and the dominant one', async () => {
    const [loud, quiet, silent] = await Promise.all([
      publish(room, { source: 'microphone', level: 5 }),
      publish(room, { source: 'microphone', level: 40 }),
      publish(room, { source: 'microphone', level: 127 }),
    ]);
    for (const microphone of [loud, quiet, silent]) microphone.start({ everyMs: 10 });

    const last = await eventually('both are heard and one dominates', () => {
      const speakers = told.at(-1);
      return speakers?.speakers.length === 2 && speakers.dominant !== null ? speakers : false;
    });

    expect(last.speakers.map((speaker) => speaker.sessionId)).toEqual([loud.sessionId, quiet.sessionId]);
    expect(last.speakers[0]?.volume).toBeGreaterThan(last.speakers[1]?.volume ?? 0);
    expect(last.dominant).toBe(loud.sessionId);
  });

  it('includes those whose voice comes over a relay', async () => {
    const far = await other.openRoom(room.roomId);
    const microphone = await publish(far, { source: 'microphone', level: 5 });
    const link = await openLink({ origin: far, puller: room });
    await relay(link, microphone.producerId);
    microphone.start({ everyMs: 10 });

    await eventually('the far voice is heard here', () =>
      told.some(({ speakers, dominant }) => speakers[0]?.sessionId === microphone.sessionId && dominant !== null),
    );
  });

  it('is not whoever shares a screen with sound', async () => {
    const screen = await publish(room, { source: 'screen-audio', level: 0 });
    const microphone = await publish(room, { source: 'microphone', level: 40 });
    screen.start({ everyMs: 10 });
    microphone.start({ everyMs: 10 });

    await eventually('the microphone is heard', () => told.length >= 3);

    const heard = told.flatMap(({ speakers }) => speakers.map((speaker) => speaker.sessionId));
    expect(new Set(heard)).toEqual(new Set([microphone.sessionId]));
  });

  it('becomes nobody when the speaker falls silent or leaves', async () => {
    const microphone = await publish(room, { source: 'microphone', level: 5 });
    microphone.start({ everyMs: 10 });
    await eventually('he is heard', () => told.at(-1)?.dominant === microphone.sessionId);

    microphone.stop();
    await eventually('silence is told', () => told.at(-1)?.speakers.length === 0);
    microphone.close();
    await eventually('he dominates no longer', () => told.at(-1)?.dominant === null);
  });
});
