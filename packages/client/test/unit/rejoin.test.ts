import { MeridianError } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import { isSdkError, type Room } from '../../src/index.ts';
import { HttpFailure, settle } from '../support/fake-runtime.ts';
import { Stage } from '../support/stage.ts';
import { fakeTrack } from '../support/tracks.ts';

const ended = (reason: string, code: ConstructorParameters<typeof MeridianError>[0]) => ({
  reason,
  error: new MeridianError(code).toBody(),
});

describe('a room that loses its connection', () => {
  it('comes back by itself on another node, as the same session in the same room object', async () => {
    const stage = new Stage();
    const room = await stage.join();
    stage.cluster.connection.end(1006);
    await settle();
    expect(room.phase).toMatchObject({ name: 'reconnecting', attempt: 0 });

    await stage.runtime.advance(0);

    expect(room.phase).toEqual({ name: 'connected' });
    expect(room.whereabouts.nodeId).toBe('sin-1');
    expect(stage.cluster.sessionRequests[1]).toMatchObject({
      avoid: ['ams-1'],
      previousSessionToken: 'token1.s-1',
    });
    expect(room.self.sessionId).toBe('s-1');
    expect(stage.valuesOf('reconnected')).toMatchObject([{ nodeId: 'sin-1', region: 'sin' }]);
  });

  it('publishes the same tracks again, muted where they were muted meanwhile', async () => {
    const stage = new Stage();
    const [microphone, camera] = [fakeTrack('audio'), fakeTrack('video')];
    const room = await stage.join({
      tracks: [
        { source: 'microphone', track: microphone },
        { source: 'camera', track: camera },
      ],
    });
    stage.cluster.connection.end(1006);
    await settle();
    await room.mute('microphone');
    await stage.runtime.advance(0);

    expect(stage.cluster.connection.of('publish')).toMatchObject([
      { source: 'microphone', paused: true },
      { source: 'camera', paused: false },
    ]);
    expect(camera.readyState).toBe('live');
    expect(microphone.enabled).toBe(false);
    expect(room.publications.map(({ state }) => state)).toEqual(['live', 'live']);
  });

  it('does not publish what was taken back meanwhile, and publishes what was added', async () => {
    const stage = new Stage();
    const room = await stage.join({ tracks: [{ source: 'camera', track: fakeTrack('video') }] });
    stage.cluster.connection.end(1006);
    await settle();
    await room.unpublish('camera');
    await room.publish('microphone', fakeTrack('audio'));
    expect(room.publication('microphone')?.state).toBe('waiting');
    await stage.runtime.advance(0);
    expect(stage.cluster.connection.of('publish')).toMatchObject([{ source: 'microphone' }]);
  });

  it('tries at 0, 0.3, 1.2, 2.7 and 4.8 seconds and every 7 after that, then gives up', async () => {
    const stage = new Stage();
    const room = await stage.join();
    const triedAtMs: number[] = [];
    const lostAtMs = stage.runtime.now();
    stage.cluster.http.set('POST /v1/sessions', () => {
      triedAtMs.push(stage.runtime.now() - lostAtMs);
      return stage.cluster.fail('cluster-unavailable');
    });
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(120_000);

    const gaps = triedAtMs.map((at, index) => at - (triedAtMs[index - 1] ?? 0));
    expect(gaps).toEqual([0, 300, 1_200, 2_700, 4_800, 7_000, 7_000, 7_000, 7_000, 7_000]);
    expect(room.phase).toMatchObject({ name: 'ended', end: { kind: 'failed' } });
    const [end] = stage.valuesOf('ended') as [{ error: unknown }];
    expect(isSdkError(end.error, 'reconnect-failed')).toBe(true);
  });

  it('spreads the attempts by chance, and waits at least as long as the service asks', async () => {
    const stage = new Stage();
    await stage.join();
    stage.runtime.chance = 0.5;
    stage.cluster.http.set('POST /v1/sessions', () => {
      const error = new MeridianError('rate-limited', { retryAfterMs: 5_000 });
      throw new HttpFailure(429, { error: error.toBody() });
    });
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(1_000);
    const waits = (stage.valuesOf('reconnecting') as { delayMs: number }[]).map(({ delayMs }) => delayMs);
    expect(waits).toEqual([75, 5_150]);
  });

  it('tries at once when the network is back', async () => {
    const stage = new Stage();
    const room = await stage.join();
    stage.runtime.online = false;
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(10_000);
    expect(stage.cluster.sessionRequests).toHaveLength(1);
    stage.runtime.comeOnline();
    await stage.runtime.advance(0);
    expect(room.phase).toEqual({ name: 'connected' });
    // It was our network: the node is not blamed.
    expect(stage.cluster.sessionRequests[1]).toMatchObject({ avoid: [] });
  });

  it('starts the pauses over once a connection has held', async () => {
    const stage = new Stage();
    const room = await stage.join();
    for (let round = 0; round < 12; round += 1) {
      stage.cluster.connection.end(1006);
      await stage.runtime.advance(11_000);
      expect(room.phase).toEqual({ name: 'connected' });
    }
  });

  it('lengthens the pauses while connections break again soon', async () => {
    const stage = new Stage();
    await stage.join();
    for (let round = 0; round < 4; round += 1) {
      stage.cluster.connection.end(1006);
      await stage.runtime.advance(5_000);
    }
    const waits = (stage.valuesOf('reconnecting') as { delayMs: number }[]).map(({ delayMs }) => delayMs);
    expect(waits).toEqual([0, 300, 1_200, 2_700]);
  });

  it('leaves a forced region behind when nothing else is left', async () => {
    const stage = new Stage();
    const room = await stage.join({ region: 'ams' });
    stage.cluster.http.set('POST /v1/sessions', (body) =>
      typeof body === 'object' && body !== null && 'region' in body
        ? stage.cluster.fail('region-unavailable')
        : undefined,
    );
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(0);
    expect(room.whereabouts.nodeId).toBe('sin-1');
  });

  it('notices a node that has gone silent', async () => {
    const stage = new Stage();
    const room = await stage.join();
    const { connection } = stage.cluster;
    connection.deaf = true;
    await stage.runtime.advance(20_000);
    expect(connection.closedByClient).toMatchObject({ code: 1000 });
    expect(room.phase).toEqual({ name: 'connected' });
    expect(stage.cluster.connections).toHaveLength(2);
  });

  it('does not go a second time to a node that cannot be reached on the way back', async () => {
    const stage = new Stage();
    const room = await stage.join();
    stage.cluster.connection.notify('media-lost', { reason: 'worker-died' });
    stage.cluster.dead.add('ams-1');
    await stage.runtime.advance(1_000);
    expect(stage.cluster.sessionRequests.slice(1).map(({ avoid }) => avoid)).toEqual([[], ['ams-1']]);
    expect(room.whereabouts.nodeId).toBe('sin-1');
  });

  it('checks a connection of the old network as soon as a new one is there', async () => {
    const stage = new Stage();
    await stage.join();
    stage.cluster.connection.deaf = true;
    stage.runtime.comeOnline();
    await stage.runtime.advance(3_000);
    expect(stage.cluster.connections).toHaveLength(2);
  });
});

describe('what the node says about an end', () => {
  const cases = [
    ['kicked', 'session-kicked', 'kicked'],
    ['room-ended', 'room-ended', 'room-ended'],
    ['replaced', 'session-replaced', 'replaced'],
    ['token-revoked', 'token-revoked', 'failed'],
  ] as const;
  it.each(cases)('%s is the end: nothing is tried again', async (reason, code, kind) => {
    const stage = new Stage();
    const room = await stage.join();
    stage.cluster.connection.notify('session-ended', ended(reason, code));
    stage.cluster.connection.end(4499, code);
    await stage.runtime.advance(60_000);
    expect(room.phase).toMatchObject({ name: 'ended', end: { kind, error: { code } } });
    expect(stage.cluster.sessionRequests).toHaveLength(1);
    expect(stage.runtime.pending).toBe(0);
  });

  it('a shutdown moves us to another node', async () => {
    const stage = new Stage();
    const room = await stage.join();
    stage.cluster.connection.notify('session-ended', ended('node-shutdown', 'node-shutdown'));
    await stage.runtime.advance(0);
    expect(room.whereabouts.nodeId).toBe('sin-1');
  });

  it('lost media brings us back to the same node: only a worker died there', async () => {
    const stage = new Stage();
    const room = await stage.join();
    stage.cluster.connection.notify('media-lost', { reason: 'worker-died' });
    await stage.runtime.advance(0);
    expect(stage.cluster.sessionRequests[1]).toMatchObject({ avoid: [] });
    expect(room.whereabouts.nodeId).toBe('ams-1');
    expect(stage.valuesOf('reconnecting')).toMatchObject([{ cause: { code: 'worker-died' } }]);
  });

  it('a close code without a word counts, too', async () => {
    const stage = new Stage();
    const room = await stage.join();
    stage.cluster.connection.end(4414, 'session-kicked');
    await settle();
    expect(room.phase).toMatchObject({ name: 'ended', end: { kind: 'kicked' } });
  });

  it('a refusal on the way back that stays ends the attempts', async () => {
    const stage = new Stage();
    const room = await stage.join();
    stage.cluster.http.set('POST /v1/rooms/weekly/join', () => stage.cluster.fail('room-ended'));
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(60_000);
    expect(room.phase).toMatchObject({ name: 'ended', end: { error: { code: 'room-ended' } } });
    expect(stage.cluster.sessionRequests).toHaveLength(2);
  });
});

describe('leaving', () => {
  const published = async (): Promise<{ stage: Stage; room: Room; camera: ReturnType<typeof fakeTrack> }> => {
    const stage = new Stage();
    const camera = fakeTrack('video');
    const room = await stage.join({ tracks: [{ source: 'camera', track: camera }] });
    return { stage, room, camera };
  };

  it('says goodbye, stops the devices and leaves nothing behind, however often it is called', async () => {
    const { stage, room, camera } = await published();
    await Promise.all([room.leave(), room.leave()]);
    await room.leave();
    expect(stage.cluster.connection.of('leave')).toHaveLength(1);
    expect(camera.readyState).toBe('ended');
    expect(stage.cluster.connection.isOpen).toBe(false);
    expect(stage.valuesOf('ended')).toEqual([{ kind: 'left', error: null }]);
    expect(stage.runtime.pending).toBe(0);
    await stage.runtime.advance(60_000);
    expect(stage.runtime.pending).toBe(0);
    expect(stage.cluster.sessionRequests).toHaveLength(1);
  });

  it('waits only a moment for a node that does not answer', async () => {
    const { stage, room } = await published();
    stage.cluster.connection.deaf = true;
    const leaving = room.leave();
    await stage.runtime.advance(1_000);
    await leaving;
    expect(stage.cluster.connection.isOpen).toBe(false);
  });

  it('calls a reconnect off, also in the middle of it', async () => {
    const { stage, room } = await published();
    stage.cluster.holdAnswers = true;
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(0);
    expect(stage.cluster.connection.methods).toEqual(['join']);
    await room.leave();
    await stage.runtime.advance(60_000);
    expect(stage.cluster.connection.isOpen).toBe(false);
    expect(stage.runtime.pending).toBe(0);
    expect(stage.valuesOf('reconnected')).toEqual([]);
  });

  it('makes every later call fail instead of waiting for ever', async () => {
    const { room } = await published();
    await room.leave();
    await expect(room.chat.send('too late')).rejects.toMatchObject({ code: 'room-left' });
    expect(() => room.publish('microphone', fakeTrack('audio'))).toThrow(
      expect.objectContaining({ code: 'room-left' }),
    );
    await expect(room.stats()).rejects.toMatchObject({ code: 'room-left' });
  });
});
