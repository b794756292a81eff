import { MeridianError } from '@meridian/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Room } from '../../src/index.ts';
import { chatLine, participant, producer } from '../support/builders.ts';
import { FakeMedia } from '../support/fake-media.ts';
import { settle } from '../support/fake-runtime.ts';
import { Stage } from '../support/stage.ts';
import { fakeTrack } from '../support/tracks.ts';

const WINDOW_MS = 15_000;

let stage: Stage;
let media: FakeMedia;
let room: Room;

beforeEach(async () => {
  stage = new Stage();
  media = new FakeMedia();
  stage.runtime.createDevice = media.createDevice;
  stage.cluster.resumeWindowMs = WINDOW_MS;
  stage.cluster.participants = [participant('s-other', { name: 'Binh' })];
  stage.cluster.producers = [producer('p-c1', 's-other')];
  room = await stage.join({ tracks: [{ source: 'camera', track: fakeTrack('video') }] });
  stage.cluster.connection.notify('consumer-opened', stage.cluster.consumer('c1', { kind: 'video' }));
  await settle();
  media.setState('connected');
});

describe('a lost WebSocket', () => {
  it('is opened again at the same node, naming where it left off; nothing else happens', async () => {
    const [first] = stage.cluster.connections;
    const tracks = [...room.tracks.values()];
    stage.cluster.connection.end(1006);
    await settle();
    expect(room.phase).toEqual({ name: 'connected' });

    await stage.runtime.advance(0);

    expect(stage.runtime.opened.at(-1)?.protocols).toEqual([
      'meridian.v1',
      'meridian.token.token1.s-1',
      'meridian.resume.1.2',
    ]);
    expect(stage.runtime.opened.map(({ url }) => url)).toEqual([
      'wss://ams-1.example.org/ws',
      'wss://ams-1.example.org/ws',
    ]);
    expect(stage.cluster.sessionRequests).toHaveLength(1);
    expect(first?.of('publish')).toHaveLength(1);
    expect([...room.tracks.values()]).toEqual(tracks);
    expect(tracks.map(({ track }) => track.readyState)).toEqual(['live']);
    expect(stage.valuesOf('resumed')).toEqual([{ afterMs: 0 }]);
    expect(stage.valuesOf('reconnecting')).toEqual([]);
  });

  it('brings what was said meanwhile with the next one, in order and once', async () => {
    const { connection } = stage.cluster;
    connection.notify('chat', { message: chatLine('l1', 10) });
    stage.cluster.connection.end(1006);
    connection.notify('chat', { message: chatLine('l2', 20) });
    connection.notify('participant-joined', { participant: participant('s-third', { name: 'Chi' }) });
    connection.notify('chat', { message: chatLine('l3', 30) });
    await stage.runtime.advance(0);
    stage.cluster.connection.notify('chat', { message: chatLine('l4', 40) });
    expect(room.chat.lines.map(({ id }) => id)).toEqual(['l1', 'l2', 'l3', 'l4']);
    expect(room.participants.map(({ name }) => name)).toContain('Chi');
  });

  it('keeps requests waiting: they are sent again under their ids, and run once', async () => {
    let runs = 0;
    stage.cluster.answers.set('send-chat', (data) => {
      runs += 1;
      return { message: chatLine('own', 50, { text: (data as { text: string }).text }) };
    });
    // The node works on it, the answer does not get through.
    stage.cluster.connection.hold = true;
    const { connection } = stage.cluster;
    const before = room.chat.send('on its way');
    await settle();
    connection.end(1006);
    connection.release('send-chat');
    // And one that is made while there is no connection.
    const between = room.chat.send('in between');
    await stage.runtime.advance(0);
    await expect(before).resolves.toMatchObject({ id: 'own' });
    await expect(between).resolves.toMatchObject({ id: 'own' });
    expect(runs).toBe(2);
  });

  it('lets a request fail at its own deadline, not at the loss', async () => {
    stage.cluster.dead.add('ams-1');
    stage.cluster.connection.end(1006);
    const failure = expect(room.chat.send('too late')).rejects.toMatchObject({ code: 'deadline-exceeded' });
    await stage.runtime.advance(9_999);
    await stage.runtime.advance(1);
    await failure;
  });

  it('is shown only when it lasts for more than a second', async () => {
    stage.cluster.dead.add('ams-1');
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(999);
    expect(room.phase.name).toBe('connected');
    await stage.runtime.advance(1);
    expect(room.phase).toMatchObject({ name: 'reconnecting', cause: { code: 'connection-lost' } });
    expect(stage.valuesOf('reconnecting')).toHaveLength(1);
    stage.cluster.dead.clear();
    await stage.runtime.advance(5_000);
    expect(room.phase).toEqual({ name: 'connected' });
    expect(stage.valuesOf('resumed')).toHaveLength(1);
    expect(stage.valuesOf('reconnected')).toEqual([]);
  });

  it('is tried with growing pauses for as long as media comes in, until the window is gone; then we rejoin', async () => {
    const triedAtMs: number[] = [];
    stage.cluster.dead.add('ams-1');
    const lostAtMs = stage.runtime.now();
    const { onSocket } = stage.runtime;
    stage.runtime.onSocket = (url, protocols, events) => {
      triedAtMs.push(stage.runtime.now() - lostAtMs);
      return onSocket(url, protocols, events);
    };
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(WINDOW_MS - 1);
    expect(triedAtMs.length).toBeGreaterThan(6);
    const pauses = triedAtMs.slice(1).map((at, index) => at - (triedAtMs[index] ?? 0));
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(stage.cluster.sessionRequests).toHaveLength(1);

    await stage.runtime.advance(500);
    expect(stage.cluster.sessionRequests[1]).toMatchObject({ avoid: ['ams-1'], previousSessionToken: 'token1.s-1' });
    expect(room.whereabouts.nodeId).toBe('sin-1');
    expect(stage.valuesOf('reconnected')).toHaveLength(1);
  });

  it('of a node that refuses and whose media is silent is not waited for: one attempt, then we go elsewhere', async () => {
    media.lives = false;
    stage.cluster.dead.add('ams-1');
    stage.cluster.connection.end(1006);
    // The media is listened to beside the attempt, not after it.
    await stage.runtime.advance(500);
    expect(stage.runtime.opened).toHaveLength(3);
    expect(stage.cluster.sessionRequests[1]).toMatchObject({ avoid: ['ams-1'] });
    expect(room.whereabouts.nodeId).toBe('sin-1');
    expect(stage.cluster.connection.of('publish')).toMatchObject([{ source: 'camera' }]);
  });

  it('of a node that does not answer at all is given up after two seconds when its media is silent', async () => {
    media.lives = false;
    stage.cluster.black.add('ams-1');
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(3_000);
    expect(room.whereabouts.nodeId).toBe('sin-1');
  });

  it('while the service is away, too, is resumed after all when the node is back', async () => {
    media.lives = false;
    stage.cluster.dead.add('ams-1');
    const gone = { away: true };
    stage.cluster.http.set('POST /v1/sessions', () => {
      if (gone.away) throw new TypeError('fetch failed');
      return undefined;
    });
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(1_500);
    expect(room.phase.name).toBe('reconnecting');
    stage.cluster.dead.clear();
    media.lives = true;
    await stage.runtime.advance(5_000);
    expect(room.phase).toEqual({ name: 'connected' });
    expect(room.whereabouts.nodeId).toBe('ams-1');
    expect(stage.valuesOf('resumed')).toHaveLength(1);
    expect(stage.cluster.connection.resumed).toBe(true);
    expect(stage.cluster.connection.of('publish')).toHaveLength(1);
  });

  it('that the node cannot go on with is followed by a new join', async () => {
    stage.cluster.connection.attachment.gone = true;
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(0);
    expect(stage.cluster.sessionRequests).toHaveLength(2);
    expect(stage.cluster.connection.methods).toContain('join');
    expect(stage.valuesOf('reconnected')).toHaveLength(1);
    expect(stage.valuesOf('resumed')).toEqual([]);
  });

  it('is the end where the node says that somebody else has the session', async () => {
    stage.cluster.closeInstead = { code: new MeridianError('session-replaced').closeCode, reason: 'session-replaced' };
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(60_000);
    expect(room.phase).toMatchObject({ name: 'ended', end: { kind: 'replaced' } });
    expect(stage.runtime.pending).toBe(0);
  });

  it('is tried at once when the network is back', async () => {
    stage.runtime.online = false;
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(4_000);
    expect(stage.runtime.opened).toHaveLength(1);
    stage.runtime.comeOnline();
    await stage.runtime.advance(0);
    expect(stage.valuesOf('resumed')).toHaveLength(1);
  });

  it.each([
    ['the page can be seen again', () => stage.runtime.showPage()],
    ['the network is another one', () => stage.runtime.changeNetwork()],
  ])('is noticed soon when %s, though nothing says that it is lost', async (_when, happen) => {
    stage.cluster.connection.deaf = true;
    happen();
    await stage.runtime.advance(1_500);
    expect(stage.valuesOf('resumed')).toHaveLength(1);
    expect(stage.cluster.connections).toHaveLength(2);
  });

  it('tells the node of a mute that it did not answer, once it answers again', async () => {
    const { connection } = stage.cluster;
    connection.deaf = true;
    const muted = room.mute('camera').catch(({ code }) => code);
    await stage.runtime.advance(10_000);
    expect(await muted).toBe('deadline-exceeded');
    expect(room.publications).toMatchObject([{ source: 'camera', muted: true, state: 'failed' }]);
    stage.runtime.comeOnline();
    await stage.runtime.advance(1_500);
    expect(stage.valuesOf('resumed')).toHaveLength(1);
    expect(stage.cluster.connection.of('pause-producer')).toEqual([{ producerId: 'producer-1' }]);
    expect(room.publications).toMatchObject([{ source: 'camera', muted: true, state: 'live' }]);
  });

  it('is noticed within ten seconds of silence, whenever it began', async () => {
    stage.cluster.deadAfterMs = 10_000;
    stage.cluster.connection.attachment.gone = true;
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(0);
    const { connection } = stage.cluster;
    // The worst moment: right after an answer to a ping.
    await stage.runtime.advance(5_000);
    connection.deaf = true;
    await stage.runtime.advance(9_999);
    expect(connection.isOpen).toBe(false);
  });

  it('is not resumed after the person has left, and the goodbye still gets through', async () => {
    const { connection } = stage.cluster;
    connection.end(1006);
    const leaving = room.leave();
    await stage.runtime.advance(0);
    await leaving;
    expect(stage.cluster.connection.resumed).toBe(true);
    expect(stage.cluster.connection.of('leave')).toHaveLength(1);
    expect(stage.cluster.connection.isOpen).toBe(false);
    await stage.runtime.advance(60_000);
    expect(stage.runtime.pending).toBe(0);
    expect(stage.valuesOf('resumed')).toEqual([]);
  });

  it('caused by one request that was too large for the way costs that request alone', async () => {
    stage.cluster.connection.hold = true;
    const large = expect(room.chat.send('x'.repeat(3_000))).rejects.toMatchObject({ code: 'payload-too-large' });
    await settle();
    stage.cluster.connection.end(1009);
    await stage.runtime.advance(0);
    await large;
    expect(stage.valuesOf('resumed')).toHaveLength(1);
  });
});

describe('a new join after a loss', () => {
  it('takes requests along that no node can have seen', async () => {
    media.lives = false;
    stage.cluster.dead.add('ams-1');
    stage.cluster.answers.set('send-chat', (data) => ({
      message: chatLine('own', 50, { text: (data as { text: string }).text }),
    }));
    stage.cluster.connection.end(1006);
    const sending = room.chat.send('in between');
    await stage.runtime.advance(1_000);
    await expect(sending).resolves.toMatchObject({ id: 'own' });
    expect(stage.cluster.connection.nodeId).toBe('sin-1');
    expect(stage.cluster.connection.of('send-chat')).toEqual([{ text: 'in between' }]);
  });

  it('fails requests that the node may have seen: they could be there twice', async () => {
    stage.cluster.connection.hold = true;
    const failure = expect(room.chat.send('perhaps')).rejects.toMatchObject({ code: 'connection-lost' });
    await settle();
    stage.cluster.connection.attachment.gone = true;
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(0);
    await failure;
  });

  it('goes by round trip times that are measured anew when the old ones are old or of another network', async () => {
    const looks = () => stage.runtime.calls.filter((call) => call === 'GET /v1/nodes').length;
    const rejoin = async () => {
      stage.cluster.connection.attachment.gone = true;
      stage.cluster.connection.end(1006);
      await stage.runtime.advance(1_000);
      media.setState('connected');
      expect(room.phase).toEqual({ name: 'connected' });
    };
    expect(looks()).toBe(1);
    await rejoin();
    expect(looks()).toBe(1);
    await stage.runtime.advance(180_000);
    await rejoin();
    expect(looks()).toBe(2);
    stage.runtime.changeNetwork();
    await settle();
    await rejoin();
    expect(looks()).toBe(3);
  });

  it('hardly waits for measurements where the old ones are old only', async () => {
    await stage.runtime.advance(180_000);
    stage.cluster.http.set('GET /v1/nodes', () => new Promise(() => {}));
    stage.cluster.connection.attachment.gone = true;
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(400);
    expect(stage.cluster.sessionRequests).toHaveLength(2);
  });

  it('does not wait long for measurements', async () => {
    stage.runtime.changeNetwork();
    await settle();
    stage.cluster.http.set('GET /v1/nodes', () => new Promise(() => {}));
    stage.cluster.connection.attachment.gone = true;
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(700);
    expect(stage.cluster.sessionRequests).toHaveLength(2);
    expect(stage.cluster.sessionRequests[1]).toMatchObject({ rtts: expect.arrayContaining([expect.anything()]) });
  });
});

describe('the session token', () => {
  it('is the newest that the node has sent: for a resume, a rejoin, and the page after this one', async () => {
    stage.cluster.connection.notify('session-token', { sessionToken: 'newer.s-1', expiresAtMs: 99 });
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(0);
    expect(stage.runtime.opened.at(-1)?.protocols[1]).toBe('meridian.token.newer.s-1');
    stage.cluster.connection.notify('session-token', { sessionToken: 'newest.s-1', expiresAtMs: 199 });
    stage.cluster.connection.notify('session-ended', {
      reason: 'node-shutdown',
      error: new MeridianError('node-shutdown').toBody(),
    });
    await stage.runtime.advance(0);
    expect(stage.cluster.sessionRequests[1]).toMatchObject({ previousSessionToken: 'newest.s-1' });
    stage.cluster.connection.notify('session-token', { sessionToken: 'last.s-1', expiresAtMs: 299 });
    stage.runtime.hidePage();
    expect(stage.store.getItem('meridian.session.weekly')).toBe('last.s-1');
  });
});

describe('numbers', () => {
  it('are acknowledged with every ping', async () => {
    stage.cluster.connection.notify('chat', { message: chatLine('l1', 10) });
    await stage.runtime.advance(5_000);
    expect(stage.cluster.connection.acknowledged).toBe(3);
  });
});

describe('a network that has changed', () => {
  it('restarts ICE at both transports without giving up what works', async () => {
    stage.runtime.comeOnline();
    await settle();
    expect(stage.cluster.connection.of('restart-ice')).toHaveLength(2);
    await stage.runtime.advance(30_000);
    expect(room.phase).toEqual({ name: 'connected' });
  });

  it('without a word of the browser took the WebSocket with it: silent media gets another way when that is back', async () => {
    media.lives = false;
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(500);
    expect(stage.valuesOf('resumed')).toHaveLength(1);
    expect(stage.cluster.connection.of('restart-ice')).toHaveLength(2);
  });

  it('is not suspected while media comes in', async () => {
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(1_000);
    expect(stage.valuesOf('resumed')).toHaveLength(1);
    expect(stage.cluster.connection.of('restart-ice')).toEqual([]);
  });
});
