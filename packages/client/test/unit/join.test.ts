import { isMeridianError } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import { ClientError, isSdkError, join, memoryStore, prepare } from '../../src/index.ts';
import { FakeCluster, ROOM_URL } from '../support/fake-cluster.ts';
import { FakeRuntime, settle } from '../support/fake-runtime.ts';
import { Stage } from '../support/stage.ts';
import { fakeTrack } from '../support/tracks.ts';

describe('the way into a room', () => {
  it('is: guest and nodes side by side, session, WebSocket, room token, join', async () => {
    const stage = new Stage();
    const room = await stage.join();
    const calls = stage.runtime.calls.filter((call) => !call.includes('probe'));
    expect(calls.slice(0, 2).sort()).toEqual(['GET /v1/nodes', 'POST /v1/guests']);
    expect(calls.slice(2)).toEqual([
      'POST /v1/sessions',
      'WS wss://ams-1.example.org/ws',
      'POST /v1/rooms/weekly/join',
    ]);
    expect(stage.cluster.connection.methods[0]).toBe('join');
    expect(room.phase).toEqual({ name: 'connected' });
    expect(room.info.title).toBe('Weekly');
    expect(room.whereabouts.decision.explanation).toBe('It answered fastest.');
  });

  it('costs four round trips after a preparation, which enters the guest once', async () => {
    const stage = new Stage();
    const preparation = prepare(ROOM_URL, stage.options());
    await preparation.surroundings;
    stage.runtime.calls.length = 0;

    const room = await stage.join({ preparation });

    expect(stage.runtime.calls).toEqual([
      'POST /v1/sessions',
      'WS wss://ams-1.example.org/ws',
      'POST /v1/rooms/weekly/join',
    ]);
    expect(room.timings.sequentialRoundTrips).toBe(4);
    const step = (name: string) => room.timings.steps.find((one) => one.step === name);
    // The device is loaded while the room token is on its way, and the join waits for both.
    expect(step('device')?.after).toEqual(step('room-token')?.after);
    expect(step('join')?.after).toEqual(['room-token', 'device']);
    expect(room.timings.marks.joined).toBeGreaterThanOrEqual(0);
  });

  it('counts the round trips of finding a node when nothing was prepared', async () => {
    const room = await new Stage().join();
    // nodes 1, probe 4, then session, connect, room token, join
    expect(room.timings.sequentialRoundTrips).toBe(9);
  });

  it('carries the session token in a sub-protocol and never in an address', async () => {
    const stage = new Stage();
    await stage.join();
    expect(stage.runtime.opened).toEqual([
      { url: 'wss://ams-1.example.org/ws', protocols: ['meridian.v1', 'meridian.token.token1.s-1'] },
    ]);
    expect(stage.runtime.calls.filter((call) => call.includes('token1'))).toEqual([]);
  });

  it('tells the service the measured times, the room and the region that was asked for', async () => {
    const stage = new Stage();
    await stage.join({ region: 'sin' });
    expect(stage.cluster.sessionRequests).toEqual([
      { rtts: [{ nodeId: 'sin-1', rttMs: 0 }], room: 'weekly', avoid: [], region: 'sin' },
    ]);
  });

  it('refuses what is no region before asking anybody', async () => {
    const stage = new Stage();
    await expect(join(ROOM_URL, stage.options({ region: 'No Region!' }))).rejects.toMatchObject({
      code: 'region-unavailable',
    });
    expect(stage.runtime.calls).toEqual([]);
  });

  it('goes on without measured times when no node list can be had', async () => {
    const stage = new Stage();
    stage.cluster.http.set('GET /v1/nodes', () => stage.cluster.fail('cluster-unavailable'));
    await stage.join();
    expect(stage.cluster.sessionRequests[0]).toMatchObject({ rtts: [] });
  });
});

describe('publishing with the join', () => {
  it('sends all tracks at once: none waits for the answer to another', async () => {
    const stage = new Stage();
    let answers = 0;
    const sentBeforeAnswer: number[] = [];
    stage.cluster.answers.set('publish', () => {
      sentBeforeAnswer.push(stage.cluster.connection.of('publish').length);
      answers += 1;
      return { producerId: `producer-${answers}` };
    });
    stage.cluster.holdAnswers = true;
    const joining = stage.join({
      tracks: [
        { source: 'microphone', track: fakeTrack('audio'), muted: true },
        { source: 'camera', track: fakeTrack('video') },
      ],
    });
    await settle();
    stage.cluster.connection.release('join');
    const room = await joining;
    await settle();

    const { connection } = stage.cluster;
    expect(connection.methods.filter((method) => method !== 'join')).toEqual([
      'connect-transport',
      'publish',
      'publish',
    ]);
    expect(connection.of('publish')).toMatchObject([
      { source: 'microphone', kind: 'audio', paused: true },
      { source: 'camera', kind: 'video', paused: false },
    ]);
    expect(room.publications.map(({ state }) => state)).toEqual(['waiting', 'waiting']);

    connection.release('connect-transport', 'publish', 'publish');
    await settle();
    expect(room.publications.map(({ state }) => state)).toEqual(['live', 'live']);
  });

  it('asks for three layers of VP8 for a camera, and for DTX in the microphone', async () => {
    const stage = new Stage();
    await stage.join({
      tracks: [
        { source: 'camera', track: fakeTrack('video') },
        { source: 'microphone', track: fakeTrack('audio') },
      ],
    });
    const [camera] = stage.cluster.connection.of('publish') as [
      { rtpParameters: { encodings: unknown[]; codecs: { mimeType: string }[] } },
    ];
    expect(camera.rtpParameters.encodings).toMatchObject([
      { scaleResolutionDownBy: 4 },
      { scaleResolutionDownBy: 2 },
      { scaleResolutionDownBy: 1 },
    ]);
    expect(camera.rtpParameters.codecs[0]?.mimeType.toLowerCase()).toBe('video/vp8');
  });

  it('leaves the room usable when a track is refused', async () => {
    const stage = new Stage();
    stage.cluster.refuse('publish', 'too-many-producers');
    const room = await stage.join({ tracks: [{ source: 'camera', track: fakeTrack('video') }] });
    expect(room.phase.name).toBe('connected');
    expect(room.publication('camera')?.state).toBe('failed');
  });
});

describe('a join that meets trouble', () => {
  it('asks for another node when the chosen one cannot be reached', async () => {
    const stage = new Stage();
    stage.cluster.dead.add('ams-1');
    const joining = stage.join();
    await stage.runtime.advance(500);
    const room = await joining;
    expect(room.whereabouts.nodeId).toBe('sin-1');
    expect(stage.cluster.sessionRequests.map(({ avoid }) => avoid)).toEqual([[], ['ams-1']]);
  });

  it('gives up after a few tries when no node can be reached', async () => {
    const stage = new Stage();
    stage.cluster.dead.add('ams-1').add('sin-1');
    const joining = join(ROOM_URL, stage.options());
    const failure = expect(joining).rejects.toMatchObject({ code: 'node-unreachable' });
    await stage.runtime.advance(10_000);
    await failure;
    expect(stage.cluster.sessionRequests).toHaveLength(4);
  });

  it.each(['room-full', 'room-private', 'room-not-found', 'room-ended'] as const)(
    'reports %s at once, closes the connection and does not try again',
    async (code) => {
      const stage = new Stage();
      stage.cluster.http.set('POST /v1/rooms/weekly/join', () => stage.cluster.fail(code));
      await expect(stage.join()).rejects.toSatisfy((error) => isMeridianError(error, code));
      expect(stage.cluster.sessionRequests).toHaveLength(1);
      expect(stage.cluster.connection.closedByClient?.code).toBe(1000);
    },
  );

  it('reports the code that a node closes with', async () => {
    const stage = new Stage();
    stage.cluster.closeInstead = { code: 4401, reason: 'token-revoked' };
    await expect(stage.join()).rejects.toMatchObject({ code: 'token-revoked' });
  });

  it('enters the guest anew, once, when the user token has expired', async () => {
    const stage = new Stage();
    let refused = 0;
    stage.cluster.http.set('POST /v1/sessions', () => {
      if (refused > 0) return undefined;
      refused += 1;
      return stage.cluster.fail('token-expired');
    });
    await stage.join();
    expect(stage.runtime.calls.filter((call) => call === 'POST /v1/guests')).toHaveLength(2);
  });

  it('says that a fixed user token has expired: nobody can renew it', async () => {
    const stage = new Stage();
    stage.cluster.http.set('POST /v1/sessions', () => stage.cluster.fail('token-expired'));
    await expect(stage.join({ userToken: 'mine' })).rejects.toMatchObject({ code: 'token-expired' });
  });

  it('ends with `aborted` and leaves nothing open when it is called off', async () => {
    const stage = new Stage();
    stage.cluster.holdAnswers = true;
    const stop = new AbortController();
    const joining = join(ROOM_URL, stage.options({ signal: stop.signal }));
    const failure = expect(joining).rejects.toSatisfy((error) => isSdkError(error, 'aborted'));
    await settle();
    expect(stage.cluster.connection.methods).toEqual(['join']);
    stop.abort();
    await failure;
    expect(stage.cluster.connection.isOpen).toBe(false);
    expect(stage.runtime.pending).toBe(0);
  });

  it('does not ask anybody when it was called off before', async () => {
    const stage = new Stage();
    await expect(join(ROOM_URL, stage.options({ signal: AbortSignal.abort() }))).rejects.toBeInstanceOf(ClientError);
    expect(stage.runtime.calls).toEqual([]);
  });
});

describe('an invitation', () => {
  it('in the fragment of the address is accepted before the session is asked for', async () => {
    const stage = new Stage();
    let accepted: unknown;
    stage.cluster.http.set('POST /v1/rooms/weekly/members', (body) => {
      accepted = body;
      return stage.cluster.room;
    });
    await join(`${ROOM_URL}#invite=abc.def.ghi`, stage.options());
    expect(accepted).toEqual({ invitation: 'abc.def.ghi' });
    const calls = stage.runtime.calls;
    expect(calls.indexOf('POST /v1/rooms/weekly/members')).toBeLessThan(calls.indexOf('POST /v1/sessions'));
  });

  it('that is not valid ends the join with its code', async () => {
    const stage = new Stage();
    stage.cluster.http.set('POST /v1/rooms/weekly/members', () => stage.cluster.fail('invitation-invalid'));
    await expect(stage.join({ invitation: 'old' })).rejects.toMatchObject({ code: 'invitation-invalid' });
  });
});

describe('a refreshed page', () => {
  it('keeps its session id: the page before hands its token over when it goes', async () => {
    const stage = new Stage();
    const before = await stage.join();
    expect(before.self.sessionId).toBe('s-1');
    stage.runtime.hidePage();
    expect(stage.cluster.connection.methods).toContain('leave');

    const after = await stage.join();
    expect(stage.cluster.sessionRequests[1]).toMatchObject({ previousSessionToken: 'token1.s-1' });
    expect(after.self.sessionId).toBe('s-1');
  });

  it('is not confused with a duplicated tab, which copies the storage of a page that goes on', async () => {
    const stage = new Stage();
    await stage.join();
    // The second tab has what the first one's storage held when it was copied.
    const second = new Stage();
    const copied = memoryStore();
    for (const key of ['meridian.session.weekly']) {
      const value = stage.store.getItem(key);
      if (value !== null) copied.setItem(key, value);
    }
    await second.join({ store: copied });
    expect(second.cluster.sessionRequests[0]).not.toHaveProperty('previousSessionToken');
  });

  it('keeps the token for the next attempt when this one fails', async () => {
    const stage = new Stage();
    await stage.join();
    stage.runtime.hidePage();
    const runtime = new FakeRuntime();
    const cluster = new FakeCluster();
    cluster.serve(runtime);
    cluster.http.set('POST /v1/rooms/weekly/join', () => cluster.fail('room-full'));
    await expect(join(ROOM_URL, stage.options({ runtime }))).rejects.toMatchObject({ code: 'room-full' });
    await stage.join();
    expect(stage.cluster.sessionRequests[1]).toMatchObject({ previousSessionToken: 'token1.s-1' });
  });
});

describe('a session that stands by', () => {
  const standing = async (stage: Stage) => {
    const preparation = prepare(ROOM_URL, stage.options());
    preparation.standBy();
    await stage.runtime.advance(0);
    stage.runtime.calls.length = 0;
    return preparation;
  };

  it('leaves two round trips between a click and the room', async () => {
    const stage = new Stage();
    const preparation = await standing(stage);
    expect(stage.cluster.connection.methods).toEqual([]);
    const room = await stage.join({ preparation });
    expect(stage.runtime.calls).toEqual(['POST /v1/rooms/weekly/join']);
    expect(room.timings.sequentialRoundTrips).toBe(2);
    expect(room.phase).toEqual({ name: 'connected' });
    expect(stage.cluster.connections).toHaveLength(1);
  });

  it('is asked for once, however often', async () => {
    const stage = new Stage();
    const preparation = await standing(stage);
    preparation.standBy();
    preparation.standBy();
    await stage.runtime.advance(0);
    expect(stage.cluster.connections).toHaveLength(1);
  });

  it('is given back after two minutes, and the join goes all the way', async () => {
    const stage = new Stage();
    const preparation = await standing(stage);
    await stage.runtime.advance(120_000);
    expect(stage.cluster.connection.isOpen).toBe(false);
    expect(stage.runtime.pending).toBe(0);
    const room = await stage.join({ preparation });
    expect(room.timings.sequentialRoundTrips).toBe(4);
  });

  it('is not used for another user', async () => {
    const stage = new Stage();
    const preparation = await standing(stage);
    await stage.join({ preparation, userToken: 'somebody-else' });
    expect(stage.cluster.connections).toHaveLength(2);
    expect(stage.cluster.connections[0]?.isOpen).toBe(false);
  });

  it('that its node has dropped is replaced by a new one', async () => {
    const stage = new Stage();
    const preparation = await standing(stage);
    stage.cluster.connection.end(4501, 'node-shutdown');
    const room = await stage.join({ preparation });
    expect(room.phase).toEqual({ name: 'connected' });
    expect(stage.cluster.connections).toHaveLength(2);
  });

  it('whose lease is lost at the join is replaced, too', async () => {
    const stage = new Stage();
    const preparation = await standing(stage);
    let refused = 0;
    stage.cluster.http.set('POST /v1/rooms/weekly/join', () => {
      refused += 1;
      return refused === 1 ? stage.cluster.fail('session-not-attached') : undefined;
    });
    const room = await stage.join({ preparation });
    expect(room.phase).toEqual({ name: 'connected' });
    expect(stage.cluster.connections.map(({ isOpen }) => isOpen)).toEqual([false, true]);
  });

  it('keeps the id of the page before for whoever joins in the end', async () => {
    const stage = new Stage();
    await stage.join();
    stage.runtime.hidePage();
    const preparation = await standing(stage);
    expect(stage.cluster.sessionRequests.at(-1)).toMatchObject({ previousSessionToken: 'token1.s-1' });
    preparation.close();
    await stage.join();
    expect(stage.cluster.sessionRequests.at(-1)).toMatchObject({ previousSessionToken: 'token1.s-1' });
  });

  it('goes with the preparation', async () => {
    const stage = new Stage();
    const stop = new AbortController();
    const preparation = prepare(ROOM_URL, stage.options({ signal: stop.signal }));
    preparation.standBy();
    await stage.runtime.advance(0);
    stop.abort();
    await settle();
    expect(stage.cluster.connection.isOpen).toBe(false);
    expect(stage.runtime.pending).toBe(0);
  });
});
