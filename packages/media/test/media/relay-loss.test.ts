import { eventually } from '@meridian/harness';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MediasoupEngine, RoomMedia } from '../../src/index.ts';
import { newRoomId, startEngine } from '../support/engines.ts';
import { openLink, openWire, relay, relayData, type TestLink, type Wire } from '../support/links.ts';
import { isRtp } from '../support/packets.ts';
import { publish, publishData, receive, receiveData } from '../support/sources.ts';

describe('a relay link over a bad network', () => {
  let engines: { origin: MediasoupEngine; puller: MediasoupEngine };
  let here: RoomMedia;
  let there: RoomMedia;
  let wire: Wire;
  let link: TestLink;

  beforeEach(async () => {
    const roomId = newRoomId();
    const [origin, puller] = await Promise.all([startEngine(), startEngine()]);
    engines = { origin, puller };
    here = await origin.openRoom(roomId);
    there = await puller.openRoom(roomId);
    wire = await openWire();
    link = await openLink({ origin: here, puller: there, wire });
  });

  afterEach(async () => {
    await Promise.all([engines.origin.close(), engines.puller.close()]);
    wire.close();
  });

  it('makes lost video packets good by retransmission', async () => {
    const camera = await publish(here, { source: 'camera' });
    await relay(link, camera.producerId);
    const sink = await receive(there, camera.producerId);
    camera.start();
    await eventually('video flows', () => sink.numbers.length > 10);

    // From here on every tenth media packet is lost; what is sent again comes through.
    const first = camera.sent + 1;
    let seen = 0;
    let lost = 0;
    wire.onTheWay = (packet, toward) => {
      if (toward === 'origin' || !isRtp(packet) || ++seen % 10 !== 0) return packet;
      lost++;
      return undefined;
    };
    await eventually('a good many were lost', () => lost >= 20);
    wire.onTheWay = (packet) => packet;
    const last = camera.sent;

    await eventually('every packet arrives at last', () => {
      const arrived = new Set(sink.numbers);
      for (let number = first; number <= last; number++) if (!arrived.has(number)) return false;
      return true;
    });
    const { totals } = await engines.origin.collect();
    const out = totals.find((total) => total.leg === 'relay-out' && total.kind === 'video');
    expect(out?.retransmitted).toBeGreaterThanOrEqual(20);
    expect(out?.nacks).toBeGreaterThan(0);
    expect(out?.linkId).toBe(link.origin.linkId);
  });

  it('makes lost data good by SCTP', async () => {
    const source = await publishData(here);
    await relayData(link, source.dataProducerId);
    const sink = await receiveData(there, source.dataProducerId);
    let seen = 0;
    wire.onTheWay = (packet) => (isRtp(packet) || ++seen % 5 !== 0 ? packet : undefined);

    for (let n = 0; n < 100; n++) source.send(String(n));

    await eventually('all messages arrive', () => sink.messages.length === 100, { withinMs: 30_000 });
    expect(sink.messages.map((one) => one.text)).toEqual(Array.from({ length: 100 }, (_, n) => String(n)));
  });

  it('measures its own round trip, jitter, loss and bytes on both ends', async () => {
    const camera = await publish(here, { source: 'camera' });
    await relay(link, camera.producerId);
    let seen = 0;
    wire.onTheWay = (packet, toward) => {
      if (toward === 'puller' && isRtp(packet) && ++seen % 20 === 0) return undefined;
      return { packet, afterMs: 40 };
    };
    camera.start();

    for (const end of [link.origin, link.puller]) {
      await eventually(
        `the ${end.role}'s end knows the path`,
        async () => {
          const stats = await end.stats();
          return (stats.rttMs ?? 0) >= 80 && (stats.lossFraction ?? 0) > 0 && (stats.jitterMs ?? -1) >= 0;
        },
        { withinMs: 20_000 },
      );
    }
    const [origin, puller] = await Promise.all([link.origin.stats(), link.puller.stats()]);
    expect(origin.packetsSent).toBeGreaterThan(0);
    expect(puller.packetsReceived).toBeGreaterThan(0);
    expect(origin.packetsReceived).toBe(0);
    expect(puller.packetsSent).toBe(0);
    expect(origin.bytesSent).toBeGreaterThan(origin.packetsSent * 12);
    expect(puller.bytesReceived).toBeGreaterThan(puller.packetsReceived * 12);
  });
});
