import { eventually } from '@meridian/harness';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LegTotals, MediasoupEngine, RoomMedia } from '../../src/index.ts';
import { newRoomId, newSessionId, startEngine } from '../support/engines.ts';
import { openLink, relay, type TestLink } from '../support/links.ts';
import { publish, receive, type TestSource } from '../support/sources.ts';

const COUNTERS = ['bytes', 'packets', 'packetsLost', 'retransmitted', 'nacks', 'plis', 'firs'] as const;

describe('what a node measures', () => {
  let here: MediasoupEngine;
  let there: MediasoupEngine;
  let room: RoomMedia;
  let far: RoomMedia;
  let link: TestLink;
  let camera: TestSource;

  beforeEach(async () => {
    [here, there] = await Promise.all([startEngine(), startEngine()]);
    const roomId = newRoomId();
    [room, far] = [await here.openRoom(roomId), await there.openRoom(roomId)];
    link = await openLink({ origin: room, puller: far });
    camera = await publish(room, { source: 'camera' });
    await relay(link, camera.producerId);
    await receive(far, camera.producerId);
  });

  afterEach(async () => {
    await Promise.all([here.close(), there.close()]);
  });

  const grow = (sum: Record<string, number>, totals: readonly LegTotals[]) => {
    for (const total of totals) {
      for (const counter of COUNTERS) {
        expect(total[counter]).toBeGreaterThanOrEqual(0);
        const key = `${total.leg} ${total.kind} ${counter}`;
        sum[key] = (sum[key] ?? 0) + total[counter];
      }
    }
  };

  it('adds up to what the workers count themselves', async () => {
    const out: Record<string, number> = {};
    const inn: Record<string, number> = {};
    camera.start({ everyMs: 2 });
    for (let pass = 0; pass < 10; pass++) {
      await eventually('some more was sent', () => camera.sent >= (pass + 1) * 20);
      grow(out, (await here.collect()).totals);
      grow(inn, (await there.collect()).totals);
    }
    camera.stop();
    await eventually('nothing is under way any more', async () => {
      grow(out, (await here.collect()).totals);
      grow(inn, (await there.collect()).totals);
      const [sender, receiver] = await Promise.all([link.origin.stats(), link.puller.stats()]);
      expect(out['relay-out video packets']).toBe(sender.packetsSent);
      expect(inn['relay-in video packets']).toBe(receiver.packetsReceived);
      expect(receiver.packetsReceived).toBe(sender.packetsSent);
    });

    expect(out['relay-out video packets']).toBeGreaterThanOrEqual(200);
    expect(out['relay-out video bytes']).toBeGreaterThan(0);
    // Nothing has grown since.
    for (const total of (await here.collect()).totals) {
      for (const counter of COUNTERS) expect(total[counter]).toBe(0);
    }
    expect((await here.collect()).samples).toEqual([]);
  });

  it('counts key frames where they come in', async () => {
    camera.start();
    let keyFrames = 0;
    const sink = await receive(far, camera.producerId);
    await eventually('a key frame has come in', async () => {
      await sink.consumer.requestKeyFrame();
      for (const total of (await there.collect()).totals) keyFrames += total.keyFrames ?? 0;
      return keyFrames >= 2;
    });
    expect(keyFrames).toBeLessThanOrEqual(camera.keyFrameRequests + 1);
  });

  it('names the link on relay legs, and gives samples of the path', async () => {
    camera.start();

    const [outgoing, incoming] = await Promise.all(
      [here, there].map((engine) =>
        eventually('the path is known', async () => {
          const { samples } = await engine.collect();
          const sample = samples.find((one) => one.rttMs !== undefined);
          return sample ?? false;
        }),
      ),
    );

    expect(outgoing).toMatchObject({ leg: 'relay-out', kind: 'video', linkId: link.origin.linkId });
    expect(incoming).toMatchObject({ leg: 'relay-in', kind: 'video', linkId: link.origin.linkId });
    for (const sample of [outgoing, incoming]) {
      expect(sample?.jitterMs).toBeGreaterThanOrEqual(0);
      expect(sample?.lossFraction).toBeLessThan(1);
    }
  });

  it('describes the workers', async () => {
    camera.start();
    const before = (await here.collect()).workers[0];

    const after = await eventually('it has worked', async () => {
      const { workers } = await here.collect();
      const [worker] = workers;
      return worker !== undefined && worker.cpuSeconds > (before?.cpuSeconds ?? 0) ? worker : false;
    });

    expect(after).toMatchObject({ index: 0, pid: before?.pid, routers: 1, consumers: 1 });
    expect(after.rssBytes).toBeGreaterThan(5_000_000);
    expect(after.rssBytes).toBeLessThan(500_000_000);
    await eventually('the load tells of it too', () => {
      const { workerCpu } = here.load();
      return workerCpu > 0 && workerCpu <= 1;
    });
  });

  it('bears that anything closes meanwhile, and never counts backwards', async () => {
    camera.start({ everyMs: 1 });
    for (let pass = 0; pass < 30; pass++) {
      const participant = await far.openParticipant({
        sessionId: newSessionId(),
        rtpCapabilities: there.routerRtpCapabilities,
      });
      await participant.consume(camera.producerId);
      const collecting = there.collect();
      for (let tick = 0; tick < pass % 4; tick++) await new Promise(setImmediate);
      participant.close();
      if (pass % 5 === 4) link.puller.drop(camera.producerId);
      const { totals } = await collecting;
      grow({}, totals);
      if (pass % 5 === 4) {
        link.origin.withdraw(camera.producerId);
        await relay(link, camera.producerId);
      }
    }
    const passes = [there.collect(), there.collect(), there.collect()];
    far.close();
    await Promise.all(passes);
  });

  it('survives the death of a worker while it measures', async () => {
    camera.start();
    const { workers } = await there.dump();
    const collecting = there.collect();
    for (const { pid } of workers) process.kill(pid, 'SIGKILL');

    await collecting;
    await eventually('the node measures on', async () => {
      const report = await there.collect();
      return report.workers.length === 1 && report.load.workers === 1;
    });
  });

  it('tells a participant about his own path', async () => {
    const participant = await far.openParticipant({
      sessionId: newSessionId(),
      rtpCapabilities: there.routerRtpCapabilities,
    });
    const { consumerId } = await participant.consume(camera.producerId);

    const stats = await participant.stats();

    // He has not connected yet: nothing is known, and nothing is made up.
    expect(stats.up).toMatchObject({ rttMs: null, lossFraction: null, jitterMs: null });
    expect(stats.down).toMatchObject({ rttMs: null, lossFraction: null, jitterMs: null });
    expect(stats.consumers.map((consumer) => consumer.consumerId)).toEqual([consumerId]);
  });
});
