import { eventually } from '@meridian/harness';
import { isVp8KeyFrame } from '@meridian/harness/webrtc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MediasoupEngine, RoomMedia } from '../../src/index.ts';
import { silentLogger } from '../../src/options.ts';
import { newRoomId, startEngine } from '../support/engines.ts';
import { mirror, openLink, openWire, relay, relayData, type TestLink, type Wire } from '../support/links.ts';
import { isRtp, mendSctp } from '../support/packets.ts';
import { publish, publishData, receive, receiveData } from '../support/sources.ts';

describe('a relay link between two nodes', () => {
  let engines: MediasoupEngine[];
  let here: RoomMedia;
  let there: RoomMedia;
  let wire: Wire;
  let link: TestLink;
  /** What the puller's end says of data that it does not let through. */
  let refused: string[];

  beforeEach(async () => {
    const roomId = newRoomId();
    refused = [];
    const logger = {
      ...silentLogger,
      debug: (_: object, message: string) => {
        if (message.includes('forged')) refused.push(message);
      },
    };
    engines = await Promise.all([startEngine(), startEngine({ logger })]);
    const [originEngine, pullerEngine] = engines;
    if (!originEngine || !pullerEngine) throw new Error('two engines were started');
    here = await originEngine.openRoom(roomId);
    there = await pullerEngine.openRoom(roomId);
    wire = await openWire();
    link = await openLink({ origin: here, puller: there, wire });
    mirror(link);
  });

  afterEach(async () => {
    await Promise.all(engines.map((engine) => engine.close()));
    wire.close();
  });

  it('carries audio under the same producer id', async () => {
    const microphone = await publish(here, { source: 'microphone' });
    await relay(link, microphone.producerId);
    const sink = await receive(there, microphone.producerId);

    microphone.start();

    await eventually('audio arrives', () => sink.numbers.length >= 20);
    microphone.stop();
    expect(there.hasProducer(microphone.producerId)).toBe(true);
    expect(sink.consumer.kind).toBe('audio');
  });

  it('carries video, whose key frame is asked of the publisher through the pipe', async () => {
    const camera = await publish(here, { source: 'camera' });
    camera.start();
    await relay(link, camera.producerId);
    await eventually('video runs before anybody looks', () => camera.sent > 20);
    const before = camera.keyFrameRequests;

    const sink = await receive(there, camera.producerId);

    await eventually('the resume of the far consumer reaches the publisher', () => camera.keyFrameRequests > before);
    await eventually('video arrives', () => sink.numbers.length >= 20);
    expect(isVp8KeyFrame(sink.payloads[0])).toBe(true);
    const asked = camera.keyFrameRequests;
    await sink.consumer.requestKeyFrame();
    await eventually('a request of the far consumer reaches the publisher', () => camera.keyFrameRequests > asked);
  });

  it('carries data messages with label, protocol and kind of payload', async () => {
    const source = await publishData(here, { label: 'reactions', protocol: 'v1' });
    await relayData(link, source.dataProducerId);
    const sink = await receiveData(there, source.dataProducerId);

    source.send('hand raised');
    source.send(Buffer.from([1, 2, 3]));
    source.send('');

    await eventually('three messages arrive', () => sink.messages.length === 3);
    expect(sink.messages.map((one) => one.ppid)).toEqual([51, 53, 56]);
    expect(sink.messages[0]?.text).toBe('hand raised');
    expect(sink.consumer.label).toBe('reactions');
    expect(sink.consumer.protocol).toBe('v1');
  });

  it('keeps the data of several producers apart and in order', async () => {
    const sources = await Promise.all([publishData(here), publishData(here), publishData(here)]);
    const offered = await Promise.all(sources.map((source) => link.origin.offerData(source.dataProducerId)));
    await Promise.all(offered.map((relayed) => link.puller.acceptData(relayed)));
    const sinks = await Promise.all(sources.map((source) => receiveData(there, source.dataProducerId)));

    for (let n = 0; n < 50; n++) {
      for (const [i, source] of sources.entries()) source.send(`${i}:${n}`);
    }

    expect(new Set(offered.map((relayed) => relayed.sctpStreamParameters.streamId)).size).toBe(3);
    for (const [i, sink] of sinks.entries()) {
      await eventually('all messages arrive', () => sink.messages.length === 50);
      expect(sink.messages.map((one) => one.text)).toEqual(Array.from({ length: 50 }, (_, n) => `${i}:${n}`));
    }
  });

  it('shows nothing of what it carries to whoever reads the packets', async () => {
    const secret = 'MERIDIAN-KNOWN-PAYLOAD';
    const microphone = await publish(here, { source: 'microphone' });
    const data = await publishData(here);
    await relay(link, microphone.producerId);
    await relayData(link, data.dataProducerId);
    const heard = await receive(there, microphone.producerId);
    const read = await receiveData(there, data.dataProducerId);

    await eventually('both arrive at the far side', () => {
      microphone.send(secret);
      data.send(secret);
      return heard.payloads.length > 0 && read.messages.length > 0;
    });

    expect(heard.payloads[0]?.toString()).toContain(secret);
    expect(read.messages[0]?.text).toBe(secret);
    expect(wire.packets.length).toBeGreaterThan(2);
    expect(wire.packets.filter(({ packet }) => packet.includes(secret))).toEqual([]);
  });

  it('drops media that was changed on the way', async () => {
    const microphone = await publish(here, { source: 'microphone' });
    await relay(link, microphone.producerId);
    const sink = await receive(there, microphone.producerId);
    let changed = 0;
    // Every second RTP packet has a bit turned over in its payload.
    wire.onTheWay = (packet, toward) => {
      if (toward === 'origin' || !isRtp(packet) || packet.readUInt16BE(2) % 2 === 0) return packet;
      changed++;
      packet.writeUInt8(packet.readUInt8(packet.length - 20) ^ 1, packet.length - 20);
      return packet;
    };

    microphone.start();
    await eventually('packets came through', () => sink.numbers.length >= 20);
    microphone.stop();

    expect(changed).toBeGreaterThan(10);
    const parities = new Set(sink.numbers.map((number) => number % 2));
    expect(parities.size).toBe(1);
  });

  it('drops data that was changed on the way by somebody who mends the checksum', async () => {
    const source = await publishData(here, { delivery: { ordered: false, maxRetransmits: 0 } });
    await relayData(link, source.dataProducerId);
    const sink = await receiveData(there, source.dataProducerId);
    source.send('as it was sent');
    await eventually('the way is open', () => sink.messages.length === 1);

    wire.onTheWay = (packet, toward) => {
      // Only a packet with a message is that long.
      if (toward === 'origin' || isRtp(packet) || packet.length < 60) return packet;
      packet.writeUInt8(packet.readUInt8(packet.length - 12) ^ 1, packet.length - 12);
      return mendSctp(packet);
    };
    source.send('to be changed on the way');
    await eventually('the far end has refused it', () => refused.length > 0);
    wire.onTheWay = (packet) => packet;
    source.send('the last one');

    await eventually('the last one arrives', () => sink.messages.length === 2);
    expect(sink.messages.map((one) => one.text)).toEqual(['as it was sent', 'the last one']);
  });

  it('mirrors pause and resume', async () => {
    const microphone = await publish(here, { source: 'microphone' });
    await microphone.producer.pause();
    const relayed = await link.origin.offer(microphone.producerId);
    expect(relayed.paused).toBe(true);
    await link.puller.accept(relayed);
    const sink = await receive(there, microphone.producerId);
    expect(sink.consumer.producerPaused).toBe(true);

    await microphone.producer.resume();
    await eventually('the far consumer sees the resume', () => !sink.consumer.producerPaused);
    microphone.start();
    await eventually('audio flows', () => sink.numbers.length > 0);

    await microphone.producer.pause();
    await eventually('the far consumer sees the pause', () => sink.consumer.producerPaused);
    expect((await link.origin.offer(microphone.producerId)).paused).toBe(true);
  });

  it('mirrors the end of a producer to the far participants', async () => {
    const microphone = await publish(here, { source: 'microphone' });
    const data = await publishData(here);
    await relay(link, microphone.producerId);
    await relayData(link, data.dataProducerId);
    const heard = await receive(there, microphone.producerId);
    const read = await receiveData(there, data.dataProducerId);

    microphone.close();
    data.close();

    await eventually('the far side has closed all of it', () => heard.consumer.closed && read.consumer.closed);
    expect(there.hasProducer(microphone.producerId)).toBe(false);
    expect(there.hasDataProducer(data.dataProducerId)).toBe(false);
    expect(link.origin.producerIds).toEqual([]);
    expect(link.puller.producerIds).toEqual([]);
    expect(link.origin.dataProducerIds).toEqual([]);
    expect(link.puller.dataProducerIds).toEqual([]);
    expect(link.origin.closed || link.puller.closed).toBe(false);
  });

  it('takes a producer off and puts it on again under the same id', async () => {
    const microphone = await publish(here, { source: 'microphone' });
    const data = await publishData(here);
    for (let round = 0; round < 3; round++) {
      await relay(link, microphone.producerId);
      await relayData(link, data.dataProducerId);
      const heard = await receive(there, microphone.producerId);
      const read = await receiveData(there, data.dataProducerId);
      await eventually('both flow', () => {
        microphone.send();
        data.send('hello');
        return heard.payloads.length > 0 && read.messages.length > 0;
      });
      link.puller.drop(microphone.producerId);
      link.puller.dropData(data.dataProducerId);
      link.origin.withdraw(microphone.producerId);
      link.origin.withdrawData(data.dataProducerId);
      await eventually('the far consumers end', () => heard.consumer.closed && read.consumer.closed);
    }
  });

  it('does not offer what is not published here', async () => {
    const microphone = await publish(here, { source: 'microphone' });
    await relay(link, microphone.producerId);
    const back = await openLink({ origin: there, puller: here });

    await expect(back.origin.offer(microphone.producerId)).rejects.toMatchObject({ code: 'producer-not-found' });
    microphone.close();
    await expect(link.origin.offer(microphone.producerId)).rejects.toMatchObject({ code: 'producer-not-found' });
  });
});
