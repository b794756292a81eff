import { eventually } from '@meridian/harness';
import type { RelayEndpoint } from '@meridian/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineDump, MediasoupEngine } from '../../src/index.ts';
import { freeUdpPorts, newLinkId, newRoomId, newSessionId, startEngine } from '../support/engines.ts';
import { openLink, relay, relayData } from '../support/links.ts';
import { publish, publishData, receive, receiveData } from '../support/sources.ts';

/** What the worker processes hold, without process ids. */
const held = (dump: EngineDump) =>
  dump.workers.map(({ routers, requestHandlers, notificationHandlers, webRtcTransports, perRouter }) => ({
    routers,
    requestHandlers,
    notificationHandlers,
    webRtcTransports,
    perRouter: perRouter.map(({ routerId: _, roomId: __, ...counts }) => counts),
  }));

describe('the end of a relay link', () => {
  let engines: { origin: MediasoupEngine; puller: MediasoupEngine };

  beforeAll(async () => {
    const [origin, puller] = await Promise.all([startEngine(), startEngine()]);
    engines = { origin, puller };
  });

  afterAll(async () => {
    await Promise.all([engines.origin.close(), engines.puller.close()]);
  });

  const dumps = async () => ({
    origin: held(await engines.origin.dump()),
    puller: held(await engines.puller.dump()),
  });

  it('leaves nothing behind, whatever closes first', async () => {
    const parts = [
      'microphone',
      'camera',
      'data',
      'far consumer',
      'far data consumer',
      'far participant',
      'withdraw',
      'drop',
      'origin end',
      'puller end',
      'origin room',
      'puller room',
    ] as const;
    const before = await dumps();

    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([...parts], { minLength: parts.length }),
        fc.integer({ min: 0, max: parts.length }),
        async (order, atOnce) => {
          const roomId = newRoomId();
          const here = await engines.origin.openRoom(roomId);
          const there = await engines.puller.openRoom(roomId);
          const { origin, puller } = await openLink({ origin: here, puller: there });
          const closed: string[] = [];
          origin.on('closed', () => closed.push('origin'));
          puller.on('closed', () => closed.push('puller'));
          const microphone = await publish(here, { source: 'microphone' });
          const camera = await publish(here, { source: 'camera' });
          const data = await publishData(here);
          await Promise.all([
            relay({ origin, puller }, microphone.producerId),
            relay({ origin, puller }, camera.producerId),
            relayData({ origin, puller }, data.dataProducerId),
          ]);
          const far = await there.openParticipant({
            sessionId: newSessionId(),
            rtpCapabilities: engines.puller.routerRtpCapabilities,
          });
          const [sink, dataSink] = await Promise.all([
            receive(there, camera.producerId),
            receiveData(there, data.dataProducerId),
            far.consume(microphone.producerId),
            far.consumeData(data.dataProducerId),
          ]);
          camera.start({ everyMs: 1 });
          const ends: Record<(typeof parts)[number], () => void> = {
            'microphone': () => microphone.close(),
            'camera': () => camera.close(),
            'data': () => data.close(),
            'far consumer': () => sink.close(),
            'far data consumer': () => dataSink.consumer.close(),
            'far participant': () => far.close(),
            'withdraw': () => {
              if (!origin.closed) origin.withdraw(camera.producerId);
            },
            'drop': () => {
              if (!puller.closed) puller.drop(camera.producerId);
            },
            'origin end': () => origin.close(),
            'puller end': () => puller.close(),
            'origin room': () => here.close(),
            'puller room': () => there.close(),
          };
          // Some of it in one turn of the event loop, the rest with the workers' answers in between.
          for (const [i, part] of order.entries()) {
            ends[part]();
            if (i >= atOnce) await dumps().catch(() => undefined);
          }

          expect(closed.sort()).toEqual(['origin', 'puller']);
          expect([here.closed, there.closed, far.closed]).toEqual([true, true, true]);
          expect(origin.producerIds).toEqual([]);
          expect(puller.producerIds).toEqual([]);
          await eventually('the workers hold what they held before', async () => {
            expect(await dumps()).toEqual(before);
          });
        },
      ),
      { numRuns: 60 },
    );
    expect(engines.origin.load()).toMatchObject({ rooms: 0, producers: 0, consumers: 0, transports: 0, relayEnds: 0 });
    expect(engines.puller.load()).toMatchObject({ rooms: 0, producers: 0, consumers: 0, transports: 0, relayEnds: 0 });
  });

  it('leaves nothing behind when it comes while something is being put on', async () => {
    const before = await dumps();
    const enders = ['origin end', 'puller end', 'origin room', 'puller room', 'microphone', 'withdraw'] as const;

    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...enders), fc.integer({ min: 0, max: 12 }), async (ender, ticks) => {
        const roomId = newRoomId();
        const here = await engines.origin.openRoom(roomId);
        const there = await engines.puller.openRoom(roomId);
        const link = await openLink({ origin: here, puller: there });
        const microphone = await publish(here, { source: 'microphone' });
        const data = await publishData(here);

        const putting = Promise.allSettled([
          relay(link, microphone.producerId),
          relay(link, microphone.producerId),
          relayData(link, data.dataProducerId),
        ]);
        for (let tick = 0; tick < ticks; tick++) await new Promise(setImmediate);
        if (ender === 'origin end') link.origin.close();
        else if (ender === 'puller end') link.puller.close();
        else if (ender === 'origin room') here.close();
        else if (ender === 'puller room') there.close();
        else if (ender === 'microphone') microphone.close();
        else if (!link.origin.closed) link.origin.withdraw(microphone.producerId);
        const outcomes = await putting;

        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') continue;
          expect(['closed', 'producer-not-found', 'relay-failed']).toContain(outcome.reason.code);
        }
        here.close();
        there.close();
        await eventually('the workers hold what they held before', async () => {
          expect(await dumps()).toEqual(before);
        });
      }),
      { numRuns: 80 },
    );
  });

  it('leaves nothing behind after 1,000 links were opened and closed', async () => {
    const roomId = newRoomId();
    const here = await engines.origin.openRoom(roomId);
    const there = await engines.puller.openRoom(roomId);
    const near = await here.openParticipant({
      sessionId: newSessionId(),
      rtpCapabilities: engines.origin.routerRtpCapabilities,
    });
    const far = await there.openParticipant({
      sessionId: newSessionId(),
      rtpCapabilities: engines.puller.routerRtpCapabilities,
    });
    const microphone = await publish(here, { source: 'microphone' });
    const data = await publishData(here);
    const cycle = async (n: number) => {
      const link = await openLink({ origin: here, puller: there });
      await Promise.all([relay(link, microphone.producerId), relayData(link, data.dataProducerId)]);
      await far.consume(microphone.producerId);
      // Either end may be the first to go.
      (n % 2 === 0 ? link.origin : link.puller).close();
      (n % 2 === 0 ? link.puller : link.origin).close();
    };
    // The first microphone of a room brings its speaker observers: part of what stays.
    await cycle(0);
    await eventually('the first cycle is over', async () => {
      expect((await dumps()).puller[0]?.perRouter[0]?.transports).toBe(2);
    });
    const before = await dumps();

    for (let n = 1; n <= 1_000; n++) await cycle(n);

    await eventually('the workers hold what they held before', async () => {
      expect(await dumps()).toEqual(before);
    });
    expect(engines.origin.load().relayEnds).toBe(0);
    expect(engines.puller.load().relayEnds).toBe(0);
    near.close();
    far.close();
    here.close();
    there.close();
  });

  it('closes a relay end whose peer cannot be connected to', async () => {
    const before = await dumps();
    const room = await engines.origin.openRoom(newRoomId());
    const good = (await room.openRelayEnd({ linkId: newLinkId(), role: 'origin' })).endpoint;
    const wrong: RelayEndpoint[] = [
      { ...good, ip: 'no.such.host.invalid' },
      { ...good, srtpParameters: { cryptoSuite: 'AES_CM_128_HMAC_SHA1_80', keyBase64: good.srtpParameters.keyBase64 } },
      { ...good, srtpParameters: { cryptoSuite: 'AEAD_AES_256_GCM', keyBase64: 'dG9vIHNob3J0' } },
    ];

    for (const endpoint of wrong) {
      const end = await room.openRelayEnd({ linkId: newLinkId(), role: 'puller' });
      const closed: string[] = [];
      end.on('closed', () => closed.push('closed'));
      await expect(end.connect(endpoint)).rejects.toMatchObject({ code: 'relay-failed' });
      expect(end.closed).toBe(true);
      expect(closed).toEqual(['closed']);
      await expect(end.offer(await anyProducerId(room))).rejects.toMatchObject({ code: 'closed' });
    }

    room.close();
    await eventually('nothing is left', async () => {
      expect(await dumps()).toEqual(before);
    });
  });

  it('closes a relay end that nobody ever connects', async () => {
    const engine = await startEngine({ relayConnectTimeoutMs: 50 });
    try {
      const room = await engine.openRoom(newRoomId());
      const end = await room.openRelayEnd({ linkId: newLinkId(), role: 'origin' });
      await eventually('it is closed', () => end.closed);
      await eventually('the empty room closes', () => room.closed);
    } finally {
      await engine.close();
    }
  });

  it('says media-unavailable when the pipe ports are used up, and goes on when one is free again', async () => {
    const engine = await startEngine({ pipe: { listenIp: '127.0.0.1', portRange: await freeUdpPorts(3) } });
    try {
      const room = await engine.openRoom(newRoomId());
      const open = () => room.openRelayEnd({ linkId: newLinkId(), role: 'origin' });
      const [first] = await Promise.all([open(), open(), open()]);
      const before = held(await engine.dump());

      await expect(open()).rejects.toMatchObject({ code: 'media-unavailable' });

      expect(held(await engine.dump())).toEqual(before);
      first.close();
      const next = await open();
      expect(next.endpoint.port).toBe(first.endpoint.port);
    } finally {
      await engine.close();
    }
  });
});

async function anyProducerId(room: Parameters<typeof publish>[0]) {
  return (await publish(room, { source: 'microphone' })).producerId;
}
