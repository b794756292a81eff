import { MeridianError } from '@meridian/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Room } from '../../src/index.ts';
import { chatLine, participant, producer } from '../support/builders.ts';
import type { FakeConnection } from '../support/fake-cluster.ts';
import { FakeMedia } from '../support/fake-media.ts';
import { settle } from '../support/fake-runtime.ts';
import { Stage } from '../support/stage.ts';
import { fakeTrack } from '../support/tracks.ts';

let stage: Stage;
let media: FakeMedia;
let room: Room;
let old: FakeConnection;

beforeEach(async () => {
  stage = new Stage();
  media = new FakeMedia();
  stage.runtime.createDevice = media.createDevice;
  stage.cluster.resumeWindowMs = 15_000;
  stage.cluster.participants = [participant('s-other', { name: 'Binh' })];
  stage.cluster.producers = [producer('p-c1', 's-other')];
  room = await stage.join({
    tracks: [
      { source: 'camera', track: fakeTrack('video') },
      { source: 'microphone', track: fakeTrack('audio'), muted: true },
    ],
  });
  old = stage.cluster.connection;
  old.notify('consumer-opened', stage.cluster.consumer('c1', { kind: 'video' }));
  await settle();
  media.setState('connected');
});

const ask = (deadlineMs = 60_000) => old.notify('move-asked', { reason: 'draining', deadlineMs });

/** The other one's camera is offered at the new node. */
async function offerThere(): Promise<void> {
  stage.cluster.connection.notify(
    'consumer-opened',
    stage.cluster.consumer('c2', { kind: 'video', producerId: 'p-c1' }),
  );
  await settle();
}

/** Everything flows at the new node, and has done so for a moment. */
async function flowThere(): Promise<void> {
  await offerThere();
  media.setState('connected');
  for (const track of media.received) media.flow(track);
  await stage.runtime.advance(700);
}

describe('a node that asks for a move', () => {
  it('is left only when everything is sent and received at another one', async () => {
    const before = room.trackOf(stage.theirId('s-other'), 'camera');
    ask();
    await stage.runtime.advance(0);
    const next = stage.cluster.connection;
    expect(next.nodeId).toBe('sin-1');
    expect(stage.cluster.sessionRequests[1]).toMatchObject({ avoid: ['ams-1'], previousSessionToken: 'token1.s-1' });
    expect(next.of('join')).toMatchObject([{ handover: true }]);
    expect(next.of('publish')).toMatchObject([
      { source: 'camera', paused: false, replaces: 'producer-1' },
      { source: 'microphone', paused: true, replaces: 'producer-2' },
    ]);
    expect(old.of('leave')).toEqual([]);
    expect(room.whereabouts.nodeId).toBe('ams-1');

    await flowThere();

    expect(room.whereabouts.nodeId).toBe('sin-1');
    expect(room.trackOf(stage.theirId('s-other'), 'camera')).not.toBe(before);
    expect(before?.track.readyState).toBe('live');
    expect(old.of('leave')).toEqual([]);
    await stage.runtime.advance(5_000);
    expect(old.of('leave')).toHaveLength(1);
    expect(old.isOpen).toBe(false);
    expect(before?.track.readyState).toBe('ended');

    expect(room.publications.map(({ state }) => state)).toEqual(['live', 'live']);
    expect(stage.valuesOf('moved')).toMatchObject([{ nodeId: 'sin-1' }]);
    for (const event of [
      'participant-joined',
      'participant-left',
      'producer-closed',
      'track-added',
      'track-removed',
    ] as const) {
      expect(stage.valuesOf(event).slice(event === 'track-added' ? 1 : 0)).toEqual([]);
    }
    expect(stage.valuesOf('reconnecting')).toEqual([]);
    expect(stage.valuesOf('trouble')).toEqual([]);
  });

  it.each([
    ['what the smallest picture needs', 2_000_000, 250],
    ['half of what the way to the old one carries, where that is less', 300_000, 150],
    ['what the browser finds out, where it does not say', undefined, undefined],
  ])('is left for one whose connection counts on %s', async (_what, carriedBps, leastKbps) => {
    media.carriedBps = carriedBps;
    expect(media.leastKbps).toEqual([undefined, undefined]);
    ask();
    await stage.runtime.advance(0);
    // The camera's; the microphone takes what there is.
    expect(media.leastKbps.slice(2)).toEqual([leastKbps, undefined]);
  });

  it('is left in steps: nothing that still runs holds up what the page goes on with', async () => {
    ask();
    await stage.runtime.advance(0);
    await flowThere();
    for (let waitedMs = 0; waitedMs < 10_000 && old.of('leave').length === 0; waitedMs += 10) {
      await stage.runtime.advance(10);
    }
    expect(old.of('leave')).toHaveLength(1);
    expect(media.ended).toEqual(['track', 'track']);
    expect(room.publications.map(({ state }) => state)).toEqual(['live', 'live']);
    await stage.runtime.advance(110);
    expect(media.ended.slice(2)).toEqual(['send']);
    await stage.runtime.advance(110);
    expect(media.ended.slice(2)).toEqual(['send', 'recv']);
    expect(old.isOpen).toBe(false);
  });

  it('is left after a while though somebody is not to be had at the new one', async () => {
    ask();
    await stage.runtime.advance(0);
    media.setState('connected');
    await stage.runtime.advance(4_900);
    expect(room.whereabouts.nodeId).toBe('ams-1');
    await stage.runtime.advance(200);
    expect(room.whereabouts.nodeId).toBe('sin-1');
    // What the old node still brings is seen until it is left, which is later than usual.
    expect(room.tracks.size).toBe(1);
    await stage.runtime.advance(7_000);
    expect(old.of('leave')).toEqual([]);
    await stage.runtime.advance(3_000);
    expect(old.of('leave')).toHaveLength(1);
  });

  it('is left only when the last thing that is shown over it has come over the new one', async () => {
    const before = room.trackOf(stage.theirId('s-other'), 'camera');
    ask();
    await stage.runtime.advance(0);
    media.setState('connected');
    await stage.runtime.advance(9_500);
    expect(room.trackOf(stage.theirId('s-other'), 'camera')).toBe(before);
    expect(old.of('leave')).toEqual([]);
    await flowThere();
    expect(room.trackOf(stage.theirId('s-other'), 'camera')).not.toBe(before);
    expect(before?.track.readyState).toBe('live');
    await stage.runtime.advance(1_000);
    expect(old.of('leave')).toHaveLength(1);
  });

  it('is not left for itself: the service has no other one yet', async () => {
    stage.cluster.nodes = ['ams-1'];
    ask();
    await stage.runtime.advance(200);
    expect(stage.cluster.connections).toHaveLength(1);
    stage.cluster.nodes = ['ams-1', 'sin-1'];
    await stage.runtime.advance(1_000);
    await flowThere();
    expect(room.whereabouts.nodeId).toBe('sin-1');
  });

  it('is stayed at when no attempt succeeds until the deadline; its own word comes then', async () => {
    stage.cluster.dead.add('sin-1');
    ask(10_000);
    await stage.runtime.advance(60_000);
    expect(room.phase).toEqual({ name: 'connected' });
    expect(room.whereabouts.nodeId).toBe('ams-1');
    const attempts = stage.cluster.sessionRequests.length;
    expect(attempts).toBeGreaterThan(3);
    expect(stage.valuesOf('trouble').length).toBeGreaterThan(2);
    stage.cluster.dead.clear();
    old.notify('session-ended', { reason: 'node-shutdown', error: new MeridianError('node-shutdown').toBody() });
    await stage.runtime.advance(0);
    expect(room.whereabouts.nodeId).toBe('sin-1');
    expect(stage.valuesOf('reconnected')).toHaveLength(1);
  });

  it('may ask twice', async () => {
    ask();
    await stage.runtime.advance(0);
    ask();
    await stage.runtime.advance(0);
    expect(stage.cluster.connections).toHaveLength(2);
  });
});

describe('during a move', () => {
  beforeEach(async () => {
    ask();
    await stage.runtime.advance(0);
    await offerThere();
  });

  it('a mute is told to both nodes, and what is taken back is so at both', async () => {
    await room.mute('camera');
    await room.unpublish('microphone');
    await settle();
    const next = stage.cluster.connection;
    expect(old.of('pause-producer')).toEqual([{ producerId: 'producer-1' }]);
    expect(next.of('pause-producer')).toEqual([{ producerId: 'producer-3' }]);
    expect(old.of('unpublish')).toEqual([{ producerId: 'producer-2' }]);
    expect(next.of('unpublish')).toEqual([{ producerId: 'producer-4' }]);
  });

  it('lines of chat that come over both nodes are there once, from before, during and after', async () => {
    const next = stage.cluster.connection;
    const say = (id: string, at: number, ...over: FakeConnection[]) => {
      for (const one of over) one.notify('chat', { message: chatLine(id, at) });
    };
    say('l1', 10, old, next);
    say('l2', 20, next, old);
    await flowThere();
    say('l3', 30, old, next);
    say('l4', 40, next);
    await stage.runtime.advance(6_000);
    say('l5', 50, next);
    expect(room.chat.lines.map(({ id }) => id)).toEqual(['l1', 'l2', 'l3', 'l4', 'l5']);
    expect(stage.valuesOf('chat')).toHaveLength(5);
  });

  it('what the new node says of the room counts only when we are there', async () => {
    const next = stage.cluster.connection;
    next.notify('participant-left', { sessionId: 's-other', reason: 'left' });
    expect(room.participants.map(({ name }) => name)).toContain('Binh');
    old.notify('participant-joined', { participant: participant('s-third', { name: 'Chi' }) });
    expect(room.participants.map(({ name }) => name)).toContain('Chi');
    next.notify('participant-joined', { participant: participant('s-third', { name: 'Chi' }) });
    media.setState('connected');
    await stage.runtime.advance(6_000);
    expect(room.participants.map(({ name }) => name)).toEqual(['Anna', 'Chi']);
    expect(stage.valuesOf('participant-joined')).toHaveLength(1);
    expect(stage.valuesOf('participant-left')).toHaveLength(1);
  });

  it('a loss of the new connection is another attempt, and nobody notices', async () => {
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(1_000);
    expect(stage.cluster.connections).toHaveLength(3);
    expect(room.phase).toEqual({ name: 'connected' });
    await flowThere();
    expect(room.whereabouts.nodeId).toBe('sin-1');
    expect(stage.valuesOf('reconnecting')).toEqual([]);
  });

  it('a loss of the old connection makes the new one count at once; it is not resumed', async () => {
    old.end(1006);
    await stage.runtime.advance(0);
    expect(room.whereabouts.nodeId).toBe('sin-1');
    expect(room.phase).toEqual({ name: 'connected' });
    expect(stage.cluster.connections).toHaveLength(2);
    // What it still brings is seen until the new one has it.
    expect(room.tracks.size).toBe(1);
    await flowThere();
    expect(stage.valuesOf('track-removed')).toEqual([]);
  });

  it('an end that the old node tells since we are elsewhere makes the new one count', async () => {
    old.notify('session-ended', { reason: 'moved', error: new MeridianError('session-replaced').toBody() });
    await stage.runtime.advance(0);
    expect(room.phase).toEqual({ name: 'connected' });
    expect(room.whereabouts.nodeId).toBe('sin-1');
  });

  it('a kick ends it, whichever node tells it', async () => {
    const next = stage.cluster.connection;
    next.notify('session-ended', { reason: 'kicked', error: new MeridianError('session-kicked').toBody() });
    await stage.runtime.advance(0);
    expect(room.phase).toMatchObject({ name: 'ended', end: { kind: 'kicked' } });
    expect(old.isOpen).toBe(false);
    expect(next.isOpen).toBe(false);
    expect(stage.runtime.pending).toBe(0);
  });

  it('leaving leaves both nodes, and nothing behind', async () => {
    const next = stage.cluster.connection;
    await room.leave();
    expect(old.of('leave')).toHaveLength(1);
    expect(next.of('leave')).toHaveLength(1);
    await stage.runtime.advance(30_000);
    expect([old.isOpen, next.isOpen]).toEqual([false, false]);
    expect(stage.runtime.pending).toBe(0);
  });

  it('a page that goes hands the newest session on', async () => {
    const next = stage.cluster.connection;
    stage.runtime.hidePage();
    expect(stage.store.getItem('meridian.session.weekly')).toBe(next.sessionToken);
    await settle();
    expect([old.isOpen, next.isOpen]).toEqual([false, false]);
  });
});

describe('after a move', () => {
  beforeEach(async () => {
    ask();
    await stage.runtime.advance(0);
    await flowThere();
  });

  it('a loss of the new connection is resumed there, while the old one is left as planned', async () => {
    const next = stage.cluster.connection;
    next.end(1006);
    await stage.runtime.advance(0);
    expect(stage.cluster.connection.nodeId).toBe('sin-1');
    expect(stage.cluster.connection.resumed).toBe(true);
    await stage.runtime.advance(5_000);
    expect(old.of('leave')).toHaveLength(1);
    expect(room.phase).toEqual({ name: 'connected' });
  });

  it('a loss of the old connection is of no concern', async () => {
    old.end(1006);
    await stage.runtime.advance(30_000);
    expect(room.phase).toEqual({ name: 'connected' });
    expect(stage.cluster.connections).toHaveLength(2);
    expect(stage.valuesOf('reconnecting')).toEqual([]);
  });

  it('leaving at once leaves both', async () => {
    const next = stage.cluster.connection;
    await room.leave();
    expect(old.of('leave')).toHaveLength(1);
    expect(next.of('leave')).toHaveLength(1);
    await stage.runtime.advance(30_000);
    expect(stage.runtime.pending).toBe(0);
  });
});

describe('an old connection that is lost before a new node was joined', () => {
  it('is waited out: the attempt under way brings us there', async () => {
    stage.cluster.holdAnswers = true;
    ask();
    await stage.runtime.advance(0);
    old.end(1006);
    await stage.runtime.advance(500);
    expect(room.phase).toEqual({ name: 'connected' });
    stage.cluster.connection.release('join');
    await stage.runtime.advance(0);
    expect(room.whereabouts.nodeId).toBe('sin-1');
    expect(stage.cluster.connections).toHaveLength(2);
  });

  it('is followed by a new join where that attempt fails', async () => {
    stage.cluster.answers.set('join', (data) => {
      if ((data as { handover: boolean }).handover) throw new MeridianError('cluster-unavailable');
      return undefined;
    });
    stage.cluster.holdAnswers = true;
    ask();
    await stage.runtime.advance(0);
    old.end(1006);
    stage.cluster.holdAnswers = false;
    stage.cluster.connection.hold = false;
    stage.cluster.connection.release('join');
    await stage.runtime.advance(1_000);
    expect(room.phase).toEqual({ name: 'connected' });
    expect(stage.valuesOf('reconnected')).toHaveLength(1);
    expect(room.whereabouts.nodeId).toBe('sin-1');
  });
});

describe('of one’s own accord', () => {
  it('one may move as well', async () => {
    const moving = room.moveElsewhere();
    await stage.runtime.advance(0);
    await flowThere();
    await expect(moving).resolves.toMatchObject({ nodeId: 'sin-1' });
  });

  it('and is told why it did not work', async () => {
    stage.cluster.nodes = ['ams-1'];
    const failure = expect(room.moveElsewhere(2_000)).rejects.toMatchObject({ code: 'no-healthy-node' });
    await stage.runtime.advance(10_000);
    await failure;
    expect(room.phase).toEqual({ name: 'connected' });
  });
});
