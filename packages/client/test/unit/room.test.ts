import { describe, expect, it } from 'vitest';
import { chatLine as line, participant, producer as producerOf } from '../support/builders.ts';
import { settle } from '../support/fake-runtime.ts';
import { Stage } from '../support/stage.ts';
import { fakeTrack } from '../support/tracks.ts';

describe('media of others', () => {
  it('is taken as it is offered: each consumer is resumed as soon as our half is made', async () => {
    const stage = new Stage();
    stage.cluster.participants = [participant('s-other', { name: 'Binh' })];
    stage.cluster.producers = [producer('p-c1', 'video'), producer('p-c2', 'audio')];
    const room = await stage.join();
    const { connection } = stage.cluster;
    connection.notify('consumer-opened', stage.cluster.consumer('c1', { kind: 'video', source: 'camera' }));
    connection.notify('consumer-opened', stage.cluster.consumer('c2', { kind: 'audio', source: 'microphone' }));
    await settle();
    expect(connection.of('resume-consumer')).toEqual([{ consumerId: 'c1' }, { consumerId: 'c2' }]);
    expect([...room.tracks.values()].map(({ source }) => source).sort()).toEqual(['camera', 'microphone']);
  });

  it('is taken, too, when it is offered before the answer to the join has been worked on', async () => {
    const stage = new Stage();
    stage.cluster.answers.set('join', () => {
      queueMicrotask(() => stage.cluster.connection.notify('consumer-opened', stage.cluster.consumer('c1')));
      return undefined;
    });
    const room = await stage.join();
    expect(room.tracks.size).toBe(1);
  });

  it('goes when the node closes it, even while our half is being made', async () => {
    const stage = new Stage();
    const room = await stage.join();
    const { connection } = stage.cluster;
    connection.notify('consumer-opened', stage.cluster.consumer('c1'));
    connection.notify('consumer-closed', { consumerId: 'c1' });
    await settle();
    expect(room.tracks.size).toBe(0);
    expect(connection.of('resume-consumer')).toEqual([]);

    connection.notify('consumer-opened', stage.cluster.consumer('c2'));
    await settle();
    expect(room.tracks.size).toBe(1);
    connection.notify('consumer-closed', { consumerId: 'c2' });
    await settle();
    expect(room.tracks.size).toBe(0);
    expect(stage.valuesOf('track-removed')).toHaveLength(1);
  });

  it('is asked for in the size it is shown in, and not at all while nobody sees it', async () => {
    const stage = new Stage();
    stage.cluster.participants = [participant('s-other')];
    stage.cluster.producers = [producer('p-c1', 'video')];
    const room = await stage.join();
    const { connection } = stage.cluster;
    connection.notify('consumer-opened', stage.cluster.consumer('c1', { kind: 'video', source: 'camera' }));
    await settle();
    const [remote] = [...room.tracks.values()];
    if (remote === undefined) throw new Error('no track came');

    room.setShown(remote.producerId, { width: 240, height: 135 });
    room.setShown(remote.producerId, { width: 250, height: 140 });
    room.setShown(remote.producerId, { width: 1_280, height: 720 });
    await settle();
    expect(connection.of('set-consumer-layers')).toEqual([
      { consumerId: 'c1', spatialLayer: 0 },
      { consumerId: 'c1', spatialLayer: 2 },
    ]);
    room.setShown(remote.producerId, 'hidden');
    await settle();
    expect(connection.of('pause-consumer')).toEqual([{ consumerId: 'c1' }]);
    room.setShown(remote.producerId, { width: 1_280, height: 720 });
    await settle();
    expect(connection.of('resume-consumer')).toEqual([{ consumerId: 'c1' }, { consumerId: 'c1' }]);
  });

  it('plays on over a reconnect until the new one is there', async () => {
    const stage = new Stage();
    stage.cluster.participants = [participant('s-other')];
    stage.cluster.producers = [producer('p-c1', 'video'), producer('p-c2', 'audio')];
    const room = await stage.join();
    stage.cluster.connection.notify('consumer-opened', stage.cluster.consumer('c1', { kind: 'video' }));
    stage.cluster.connection.notify('consumer-opened', stage.cluster.consumer('c2', { kind: 'audio' }));
    await settle();
    const before = [...room.tracks.values()];

    stage.cluster.connection.end(1006);
    await stage.runtime.advance(0);
    expect([...room.tracks.values()]).toEqual(before);
    expect(before.map(({ track }) => track.readyState)).toEqual(['live', 'live']);

    stage.cluster.connection.notify(
      'consumer-opened',
      stage.cluster.consumer('c9', { kind: 'video', producerId: 'p-c1' }),
    );
    await settle();
    expect(room.tracks.size).toBe(2);
    expect(stage.valuesOf('track-removed')).toEqual([]);
    // What did not come again is let go after a while.
    await stage.runtime.advance(6_000);
    expect([...room.tracks.keys()]).toEqual(['p-c1']);
    expect(before.map(({ track }) => track.readyState)).toEqual(['ended', 'ended']);
  });
});

describe('our own media', () => {
  it('is muted and unmuted at the node, and the track with it', async () => {
    const stage = new Stage();
    const track = fakeTrack('audio');
    const room = await stage.join({ tracks: [{ source: 'microphone', track }] });
    await room.mute('microphone');
    expect(track.enabled).toBe(false);
    await room.unmute('microphone');
    expect(track.enabled).toBe(true);
    const { connection } = stage.cluster;
    expect(connection.of('pause-producer')).toEqual([{ producerId: 'producer-1' }]);
    expect(connection.of('resume-producer')).toEqual([{ producerId: 'producer-1' }]);
  });

  it('ends up as it was wanted last, however quickly it is toggled', async () => {
    const stage = new Stage();
    const room = await stage.join({ tracks: [{ source: 'microphone', track: fakeTrack('audio') }] });
    await Promise.all([room.mute('microphone'), room.unmute('microphone'), room.mute('microphone')]);
    const last = stage.cluster.connection.methods.findLast((method) => method.endsWith('-producer'));
    expect(last).toBe('pause-producer');
    expect(room.publication('microphone')?.muted).toBe(true);
  });

  it('is unmuted for everybody after a mute that the node refused', async () => {
    const stage = new Stage();
    const room = await stage.join({ tracks: [{ source: 'microphone', track: fakeTrack('audio') }] });
    stage.cluster.refuse('pause-producer', 'cluster-unavailable');
    await expect(room.mute('microphone')).rejects.toMatchObject({ code: 'cluster-unavailable' });
    expect(room.publication('microphone')).toMatchObject({ muted: true, state: 'failed' });
    await room.unmute('microphone');
    expect(stage.cluster.connection.of('resume-producer')).toEqual([{ producerId: 'producer-1' }]);
    expect(room.publication('microphone')).toMatchObject({ muted: false, state: 'live' });
  });

  it('changes its device without being published anew; a camera that is off is given back', async () => {
    const stage = new Stage();
    const [first, second] = [fakeTrack('video'), fakeTrack('video')];
    const room = await stage.join({ tracks: [{ source: 'camera', track: first }] });
    await room.replaceTrack('camera', second);
    expect(first.readyState).toBe('ended');
    await room.mute('camera');
    await room.replaceTrack('camera', null);
    expect(second.readyState).toBe('ended');
    expect(stage.cluster.connection.of('publish')).toHaveLength(1);
    expect(stage.cluster.connection.of('unpublish')).toHaveLength(0);
    expect(room.publication('camera')).toMatchObject({ track: null, muted: true, state: 'live' });
  });

  it('is published anew when the picture of the next camera is worth another number of layers', async () => {
    const stage = new Stage();
    const room = await stage.join({ tracks: [{ source: 'camera', track: fakeTrack('video', { height: 720 }) }] });
    await room.replaceTrack('camera', fakeTrack('video', { height: 180 }));
    const { connection } = stage.cluster;
    expect(connection.methods.filter((method) => method.endsWith('publish'))).toEqual([
      'publish',
      'unpublish',
      'publish',
    ]);
    expect(connection.of('publish').at(-1)).toMatchObject({ rtpParameters: { encodings: [{ maxBitrate: 250_000 }] } });
    expect(room.publication('camera')?.state).toBe('live');
  });

  it('that was never published cannot be muted', async () => {
    const room = await new Stage().join();
    await expect(room.mute('camera')).rejects.toMatchObject({ code: 'not-published' });
  });

  it('is taken back when the browser ends a screen share', async () => {
    const stage = new Stage();
    const screen = fakeTrack('video');
    const room = await stage.join({ tracks: [{ source: 'screen', track: screen }] });
    const seen: string[] = [];
    room.on('local-track-ended', ({ source }) => seen.push(source));
    screen.remoteStop();
    await settle();
    expect(seen).toEqual(['screen']);
    expect(stage.cluster.connection.of('unpublish')).toEqual([{ producerId: 'producer-1' }]);
    expect(room.publication('screen')).toBeUndefined();
  });
});

describe('chat', () => {
  it('shows a line once, our own by its answer and those of others by their notification', async () => {
    const stage = new Stage();
    stage.cluster.answers.set('send-chat', () => ({ message: line('2-0', 2, { sessionId: 's-1', text: 'mine' }) }));
    const room = await stage.join();
    stage.cluster.connection.notify('chat', { message: line('1-0', 1) });
    await room.chat.send('mine');
    stage.cluster.connection.notify('chat', { message: line('1-0', 1) });
    await settle();
    expect(room.chat.lines.map(({ text }) => text)).toEqual(['line 1-0', 'mine']);
    expect(stage.valuesOf('chat')).toHaveLength(2);
  });

  it('reads history page by page, before the lines that are known', async () => {
    const stage = new Stage();
    const pages = [
      { messages: [line('3-0', 3), line('4-0', 4)], before: '3-0' },
      { messages: [line('1-0', 1), line('2-0', 2)], before: null },
    ];
    const asked: (string | null)[] = [];
    stage.cluster.onMessages = (url) => {
      asked.push(url.searchParams.get('before'));
      return pages.shift();
    };
    const room = await stage.join();
    expect(await room.chat.loadOlder()).toBe(true);
    expect(await room.chat.loadOlder()).toBe(true);
    expect(await room.chat.loadOlder()).toBe(false);
    expect(asked).toEqual([null, '3-0']);
    expect(room.chat.lines.map(({ id }) => id)).toEqual(['1-0', '2-0', '3-0', '4-0']);
    expect(stage.valuesOf('chat')).toEqual([]);
  });

  it('catches up on what was said while there was no connection', async () => {
    const stage = new Stage();
    const room = await stage.join();
    stage.cluster.connection.notify('chat', { message: line('1-0', 1) });
    stage.cluster.messages = [line('0-0', 0), line('1-0', 1), line('2-0', 2)];
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(0);
    expect(stage.valuesOf('chat')).toMatchObject([{ id: '1-0' }, { id: '2-0' }]);
    expect(room.chat.lines.map(({ id }) => id)).toEqual(['1-0', '2-0']);
  });

  it('waits for the reconnect instead of losing a line', async () => {
    const stage = new Stage();
    stage.cluster.answers.set('send-chat', () => ({ message: line('5-0', 5) }));
    const room = await stage.join();
    stage.cluster.connection.end(1006);
    await settle();
    const sending = room.chat.send('still there?');
    await stage.runtime.advance(0);
    expect((await sending).id).toBe('5-0');
    expect(stage.cluster.connection.of('send-chat')).toEqual([{ text: 'still there?' }]);
  });

  it('reports a refusal with its code', async () => {
    const stage = new Stage();
    stage.cluster.refuse('send-chat', 'rate-limited');
    const room = await stage.join();
    await expect(room.chat.send('spam')).rejects.toMatchObject({ code: 'rate-limited' });
  });
});

describe('the `changed` event', () => {
  it('comes once for everything that changed in one turn', async () => {
    const stage = new Stage();
    const room = await stage.join();
    let changes = 0;
    room.on('changed', () => {
      changes += 1;
    });
    for (const name of ['s-2', 's-3', 's-4']) {
      stage.cluster.connection.notify('participant-joined', { participant: participant(name) });
    }
    await settle();
    expect(room.participants).toHaveLength(4);
    expect(changes).toBe(1);
  });
});

const producer = (producerId: string, kind: 'audio' | 'video') =>
  producerOf(producerId, 's-other', { kind, source: kind === 'video' ? 'camera' : 'microphone' });
