import { eventually, freePort } from '@meridian/harness';
import { TransportId } from '@meridian/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import type { MediaEngineOptions, MediasoupEngine, ParticipantMedia, RoomMedia } from '../../src/index.ts';
import type { PlacedRouter } from '../../src/workers/slot.ts';
import { insideOf, newLinkId, newRoomId, newSessionId, startEngine } from '../support/engines.ts';
import { mirror, openLink, relay, relayData } from '../support/links.ts';
import { opusParameters } from '../support/rtp.ts';
import { publish, publishData, receive, receiveData } from '../support/sources.ts';

describe('the workers of a node', () => {
  const engines: MediasoupEngine[] = [];
  const start = async (options: Partial<MediaEngineOptions>): Promise<MediasoupEngine> => {
    const engine = await startEngine(options);
    engines.push(engine);
    return engine;
  };

  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
  });

  const join = (engine: MediasoupEngine, room: RoomMedia): Promise<ParticipantMedia> =>
    room.openParticipant({ sessionId: newSessionId(), rtpCapabilities: engine.routerRtpCapabilities });

  const pidOf = async (engine: MediasoupEngine, room: RoomMedia): Promise<number> => {
    const dump = await engine.dump();
    const worker = dump.workers.find(({ perRouter }) => perRouter.some(({ roomId }) => roomId === room.roomId));
    if (worker === undefined) throw new Error('no worker has this room');
    return worker.pid;
  };

  it('share the rooms among them', async () => {
    const engine = await start({ workers: 2, emptyRoomLingerMs: 60_000 });

    await Promise.all(Array.from({ length: 10 }, () => engine.openRoom(newRoomId())));

    const { workers } = await engine.dump();
    expect(workers.map((worker) => worker.routers)).toEqual([5, 5]);
  });

  it('take only their own rooms with them when they die, and are replaced', async () => {
    const engine = await start({ workers: 2, emptyRoomLingerMs: 60_000 });
    const deaths: { worker: number; rooms: string[] }[] = [];
    engine.on('worker-died', (death) => deaths.push(death));
    const [doomed, safe] = [await engine.openRoom(newRoomId()), await engine.openRoom(newRoomId())];
    const [victim, survivor] = [await join(engine, doomed), await join(engine, safe)];
    const producerId = await victim.produce({
      transportId: sendIdOf(victim),
      kind: 'audio',
      source: 'microphone',
      rtpParameters: opusParameters(1),
      paused: false,
    });
    const told: unknown[] = [];
    doomed.on('lost', (lost) => told.push(lost));
    doomed.on('closed', () => told.push('room closed'));
    victim.on('producer-closed', (closed) => told.push(closed));
    victim.on('closed', () => told.push('participant closed'));
    const pid = await pidOf(engine, doomed);

    process.kill(pid, 'SIGKILL');

    await eventually('the death is told', () => deaths.length > 0);
    expect(deaths).toEqual([{ worker: expect.any(Number), rooms: [doomed.roomId] }]);
    expect(told).toEqual([
      { producerId, reason: 'worker-died' },
      'participant closed',
      { sessions: [victim.sessionId], reason: 'worker-died' },
      'room closed',
    ]);
    expect([doomed.closed, victim.closed, safe.closed, survivor.closed]).toEqual([true, true, false, false]);
    await expect(victim.consume(producerId)).rejects.toMatchObject({ code: 'closed' });
    expect(engine.room(doomed.roomId)).toBeUndefined();

    const microphone = await publish(safe, { source: 'microphone' });
    const sink = await receive(safe, microphone.producerId);
    microphone.start();
    await eventually('the other room still has media', () => sink.numbers.length > 0);
    await eventually('the worker is replaced', () => engine.load().workers === 2);
    const again = await engine.openRoom(doomed.roomId);
    await join(engine, again);
    expect(await pidOf(engine, again)).not.toBe(pid);
    expect((await engine.collect()).workers.map((worker) => worker.pid)).not.toContain(pid);
  });

  it('come back on the same ports, so that firewalls need not know', async () => {
    const port = await freePort();
    const fixed = await start({ workers: 1, webRtcServer: { listenIp: '127.0.0.1', port } });
    const room = await fixed.openRoom(newRoomId());
    expect(candidateOf(await join(fixed, room)).port).toBe(port);

    process.kill(await pidOf(fixed, room), 'SIGKILL');
    await eventually('the worker is replaced', () => room.closed && fixed.load().workers === 1);

    const next = await join(fixed, await fixed.openRoom(newRoomId()));
    expect(next.sendTransport.iceCandidates.map((one) => `${one.protocol}:${one.port}`)).toEqual([
      `udp:${port}`,
      `tcp:${port}`,
    ]);
  });

  it('refuse new rooms with media-unavailable while none is up', async () => {
    const engine = await start({ workers: 1 });
    const room = await engine.openRoom(newRoomId());
    process.kill(await pidOf(engine, room), 'SIGKILL');
    await eventually('it is down', () => engine.load().workers === 0);

    await expect(engine.openRoom(newRoomId())).rejects.toMatchObject({ code: 'media-unavailable', retryable: true });

    await eventually('new rooms are served again', async () => (await engine.openRoom(newRoomId())).closed === false);
  });

  it('are replaced when they hang', async () => {
    const engine = await start({ workers: 1, measureEveryMs: 20, workerHangMs: 500 });
    const room = await engine.openRoom(newRoomId());
    const participant = await join(engine, room);
    const pid = await pidOf(engine, room);

    process.kill(pid, 'SIGSTOP');
    const waiting = participant.restartIce(sendIdOf(participant));

    await expect(waiting).rejects.toMatchObject({ code: 'closed' });
    expect(room.closed).toBe(true);
    await eventually('another takes its place', () => engine.load().workers === 1);
    await join(engine, await engine.openRoom(room.roomId));
  });

  it('end with the engine even when they hang', async () => {
    const engine = await start({ workers: 1 });
    const { workers } = await engine.dump();
    const [pid] = workers.map((worker) => worker.pid);
    if (pid === undefined) throw new Error('no worker');
    process.kill(pid, 'SIGSTOP');

    await engine.close();

    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('leave the process its own signal handlers', async () => {
    const before = (['SIGINT', 'SIGTERM'] as const).map((signal) => process.listenerCount(signal));

    await start({ workers: 2 });

    expect((['SIGINT', 'SIGTERM'] as const).map((signal) => process.listenerCount(signal))).toEqual(before);
  });

  it('report a start that fails, and leave no process behind', async () => {
    const engine = await start({ workers: 1 });
    const { port } = candidateOf(await join(engine, await engine.openRoom(newRoomId())));

    // The second of the two wants the port that is taken.
    await expect(
      startEngine({ workers: 2, webRtcServer: { listenIp: '127.0.0.1', port: port - 1 } }),
    ).rejects.toMatchObject({ code: 'media-unavailable' });
    await expect(startEngine({ workerBin: '/no/such/worker' })).rejects.toMatchObject({ code: 'media-unavailable' });
  });

  describe('a room that outgrows one of them', () => {
    /** Two routers, with a participant on each. */
    const grown = async (engine: MediasoupEngine) => {
      const room = await engine.openRoom(newRoomId());
      await publish(room, { source: 'microphone' });
      const [first, second] = [await join(engine, room), await join(engine, room)];
      const [one, two] = insideOf(room).routers;
      if (one === undefined || two === undefined) throw new Error('the room has not grown');
      return { room, first, second, one, two };
    };
    /** So little that the second participant does not fit. */
    const tiny = { workers: 2, maxConsumersPerWorker: 1, emptyRoomLingerMs: 60_000 };

    it('goes on on a second one, where its people see and hear the others', async () => {
      const engine = await start(tiny);
      const { room, one, two } = await grown(engine);
      expect(one.worker).not.toBe(two.worker);
      const routes: [PlacedRouter, PlacedRouter][] = [
        [one, two],
        [two, one],
      ];

      for (const [from, to] of routes) {
        const camera = await publish(room, { source: 'camera', placed: from });
        const data = await publishData(room, { placed: from });
        camera.start();
        const sink = await receive(room, camera.producerId, to);
        const read = await receiveData(room, data.dataProducerId, to);
        await eventually('video crosses', () => sink.numbers.length > 10);
        await eventually('data crosses', () => {
          data.send('across');
          return read.messages.length > 0;
        });
        const asked = camera.keyFrameRequests;
        await sink.consumer.requestKeyFrame();
        await eventually('a key frame request crosses', () => camera.keyFrameRequests > asked);
        await camera.producer.pause();
        await eventually('a pause crosses', () => sink.consumer.producerPaused);
        camera.close();
        data.close();
        await eventually('the end crosses', () => sink.consumer.closed && read.consumer.closed);
      }
    });

    it('copies a producer once, however many want it, and only while somebody does', async () => {
      const engine = await start(tiny);
      const { room, second, one, two } = await grown(engine);
      const camera = await publish(room, { source: 'camera', placed: one });
      const before = two.tally.producers;

      const consumers = await Promise.all(Array.from({ length: 8 }, () => second.consume(camera.producerId)));

      expect(two.tally.producers).toBe(before + 1);
      for (const { consumerId } of consumers.slice(1)) second.closeConsumer(consumerId);
      expect(two.tally.producers).toBe(before + 1);
      for (const { consumerId } of consumers.slice(0, 1)) second.closeConsumer(consumerId);
      await eventually('the copy goes', () => two.tally.producers === before);
      const again = await second.consume(camera.producerId);
      expect(again.producerId).toBe(camera.producerId);
    });

    it('relays what is published on any of them', async () => {
      const [engine, other] = [await start(tiny), await start({})];
      const { room, two } = await grown(engine);
      const there = await other.openRoom(room.roomId);
      const link = await openLink({ origin: room, puller: there });
      mirror(link);
      const camera = await publish(room, { source: 'camera', placed: two });
      const data = await publishData(room, { placed: two });
      camera.start();
      await relay(link, camera.producerId);
      await relayData(link, data.dataProducerId);
      const sink = await receive(there, camera.producerId);
      const read = await receiveData(there, data.dataProducerId);
      await eventually('video crosses both pipes', () => sink.numbers.length > 10);
      await eventually('data crosses too', () => {
        data.send('across');
        return read.messages.length > 0;
      });
      const asked = camera.keyFrameRequests;
      await sink.consumer.requestKeyFrame();
      await eventually('a key frame request crosses both pipes', () => camera.keyFrameRequests > asked);
      camera.close();
      data.close();
      await eventually('the end crosses', () => sink.consumer.closed && read.consumer.closed);
    });

    it('brings what is relayed in to all of them, also when the link goes and comes again at once', async () => {
      const [engine, other] = [await start(tiny), await start(tiny)];
      const { room, second, two } = await grown(engine);
      const there = await other.openRoom(room.roomId);
      const microphone = await publish(there, { source: 'microphone' });
      const ended: string[] = [];
      second.on('consumer-closed', ({ consumerId }) => ended.push(consumerId));
      const consumed: string[] = [];
      const rounds = 5;
      for (let round = 1; round <= rounds; round++) {
        const link = await openLink({ origin: there, puller: room });
        await relay(link, microphone.producerId);
        const sink = await receive(room, microphone.producerId, two);
        consumed.push((await second.consume(microphone.producerId)).consumerId);
        await eventually('audio crosses both pipes', () => {
          microphone.send();
          return sink.numbers.length > 0;
        });
        if (round === rounds) break;
        // The copies on the second router are still there when the producer comes back under its id.
        link.puller.close();
        link.origin.close();
      }

      await eventually('the consumers of the earlier rounds end', () => ended.length === rounds - 1);
      expect(ended).toEqual(consumed.slice(0, -1));
    });

    it('bears that one of them dies while a pause is on its way there', async () => {
      const engine = await start(tiny);
      const { room, one, two } = await grown(engine);
      const camera = await publish(room, { source: 'camera', placed: one });
      await receive(room, camera.producerId, two);
      const unhandled: unknown[] = [];
      const onUnhandled = (reason: unknown) => unhandled.push(reason);
      process.on('unhandledRejection', onUnhandled);
      try {
        const pid = two.worker.worker.pid;
        // It answers no more, but is not dead yet: what is asked of it now is never answered.
        process.kill(pid, 'SIGSTOP');
        const sink = await receive(room, camera.producerId, one);
        await camera.producer.pause();
        await eventually('the pause has come to the pipe', () => sink.consumer.producerPaused);
        process.kill(pid, 'SIGKILL');
        await eventually('it is dead', () => two.router.closed);
        await camera.producer.resume();
        expect(room.closed).toBe(false);
        expect(unhandled).toEqual([]);
      } finally {
        process.off('unhandledRejection', onUnhandled);
      }
    });

    it.each(['first', 'second'] as const)('keeps the people of the other when the %s dies', async (which) => {
      const engine = await start(tiny);
      const { room, first, second, one, two } = await grown(engine);
      const lost: string[][] = [];
      room.on('lost', ({ sessions }) => lost.push(sessions));
      const [victim, survivor] = which === 'first' ? [first, second] : [second, first];
      const left = which === 'first' ? two : one;
      const end = await room.openRelayEnd({ linkId: newLinkId(), role: 'origin' });

      process.kill((which === 'first' ? one : two).worker.worker.pid, 'SIGKILL');

      await eventually('it is told', () => lost.length > 0);
      expect(lost).toEqual([[victim.sessionId]]);
      expect([room.closed, victim.closed, survivor.closed]).toEqual([false, true, false]);
      // Relay links sit on the first router.
      expect(end.closed).toBe(which === 'first');
      const camera = await publish(room, { source: 'camera', placed: left });
      const opened = await survivor.consume(camera.producerId);
      expect(opened.producerId).toBe(camera.producerId);
      const next = await room.openRelayEnd({ linkId: newLinkId(), role: 'origin' });
      expect((await next.offer(camera.producerId)).producerId).toBe(camera.producerId);
      const heard: unknown[] = [];
      room.on('active-speakers', (speakers) => heard.push(speakers));
      const microphone = await publish(room, { source: 'microphone', placed: left, level: 10 });
      microphone.start({ everyMs: 10 });
      await eventually('speakers are still detected', () => heard.length > 0);
    });
  });
});

const sendIdOf = (participant: ParticipantMedia) => TransportId.parse(participant.sendTransport.id);

function candidateOf(participant: ParticipantMedia): { port: number } {
  const [candidate] = participant.sendTransport.iceCandidates;
  if (candidate === undefined) throw new Error('no ICE candidate');
  return candidate;
}
