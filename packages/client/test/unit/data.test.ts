import { describe, expect, it } from 'vitest';
import type { DataMessage } from '../../src/index.ts';
import { FakeChannels } from '../support/fake-channels.ts';
import { settle } from '../support/fake-runtime.ts';
import { Stage } from '../support/stage.ts';

async function given(dataLabels: readonly string[] = []) {
  const stage = new Stage();
  const channels = new FakeChannels();
  stage.runtime.createDevice = channels.createDevice;
  const room = await stage.join({ dataLabels });
  const heard: DataMessage[] = [];
  room.on('data', (message) => heard.push(message));
  return { stage, room, channels, heard };
}

const offer = (dataConsumerId: string, label: string) => ({
  dataConsumerId,
  dataProducerId: `p-${dataConsumerId}`,
  sessionId: 's-other',
  label,
  protocol: '',
  sctpStreamParameters: { streamId: 7, ordered: true },
});

describe('app data that is sent', () => {
  it('waits for its channel to open, and all messages of a label share one channel', async () => {
    const { stage, room, channels } = await given();
    const sending = Promise.all([room.sendData('cursor', 'one'), room.sendData('cursor', 'two')]);
    await settle();
    expect(channels.sending.map(({ label, sent }) => [label, sent])).toEqual([['cursor', []]]);

    channels.sending[0]?.open();
    await sending;
    expect(channels.sending[0]?.sent).toEqual(['one', 'two']);
    expect(stage.cluster.connection.of('publish-data')).toHaveLength(1);
  });

  it('goes over the channel that was opened at the join', async () => {
    const { room, channels } = await given(['cursor']);
    channels.sending[0]?.open();
    await settle();
    await room.sendData('cursor', 'one');
    expect(channels.sending.map(({ sent }) => sent)).toEqual([['one']]);
  });

  it('is refused while more than a megabyte waits, and taken again after', async () => {
    const { room, channels } = await given(['file']);
    const [channel] = channels.sending;
    channel?.open();
    channel?.fill(1_000_001);
    await expect(room.sendData('file', 'more')).rejects.toMatchObject({ code: 'data-backlog', retryable: true });
    expect(channel?.sent).toEqual([]);

    channel?.fill(1_000_000);
    await room.sendData('file', 'more');
    expect(channel?.sent).toEqual(['more']);
  });

  it('fails when the channel is lost before it opens; the next message gets a new one', async () => {
    const { room, channels } = await given();
    const sending = room.sendData('cursor', 'one');
    await settle();
    channels.sending[0]?.lose();
    await expect(sending).rejects.toMatchObject({ code: 'connection-lost' });

    const again = room.sendData('cursor', 'two');
    await settle();
    channels.sending[1]?.open();
    await again;
    expect(channels.sending.map(({ sent }) => sent)).toEqual([[], ['two']]);
  });

  it('gets a new channel when an open one is lost', async () => {
    const { room, channels } = await given(['cursor']);
    channels.sending[0]?.open();
    await settle();
    channels.sending[0]?.lose();
    const sending = room.sendData('cursor', 'two');
    await settle();
    channels.sending[1]?.open();
    await sending;
    expect(channels.sending.map(({ sent }) => sent)).toEqual([[], ['two']]);
  });

  it('fails with what the node answered, and its channel is closed', async () => {
    const { stage, room, channels } = await given();
    stage.cluster.refuse('publish-data', 'forbidden');
    const sending = room.sendData('cursor', 'one');
    await expect(sending).rejects.toMatchObject({ code: 'forbidden' });
    expect(channels.sending.map(({ isClosed, sent }) => [isClosed, sent])).toEqual([[true, []]]);
  });

  it('does not hang when the room is left meanwhile', async () => {
    const { room, channels } = await given();
    const sending = room.sendData('cursor', 'one');
    sending.catch(() => {});
    await settle();
    await room.leave();
    await expect(sending).rejects.toMatchObject({ code: 'connection-lost' });
    expect(channels.sending[0]?.isClosed).toBe(true);
  });
});

describe('app data that comes in', () => {
  it('is told with its sender and label, text and bytes alike', async () => {
    const { stage, channels, heard } = await given();
    stage.cluster.connection.notify('data-consumer-opened', offer('d1', 'cursor'));
    await settle();
    const bytes = new Uint8Array([1, 2, 3]).buffer;
    channels.receiving[0]?.receive('hello');
    channels.receiving[0]?.receive(bytes);
    expect(heard).toEqual([
      { sessionId: 's-other', label: 'cursor', payload: 'hello' },
      { sessionId: 's-other', label: 'cursor', payload: bytes },
    ]);
  });

  it('ends when the node closes it, even while our half is being made', async () => {
    const { stage, channels, heard } = await given();
    const { connection } = stage.cluster;
    connection.notify('data-consumer-opened', offer('d1', 'cursor'));
    connection.notify('data-consumer-closed', { dataConsumerId: 'd1' });
    await settle();
    connection.notify('data-consumer-opened', offer('d2', 'cursor'));
    await settle();
    connection.notify('data-consumer-closed', { dataConsumerId: 'd2' });
    await settle();
    expect(channels.receiving.map(({ isClosed }) => isClosed)).toEqual([true, true]);
    for (const channel of channels.receiving) channel.receive('late');
    expect(heard).toEqual([]);
    expect(stage.valuesOf('trouble')).toEqual([]);
  });

  it('goes on over the channels of the next attachment after a reconnect', async () => {
    const { stage, channels, heard } = await given();
    stage.cluster.connection.notify('data-consumer-opened', offer('d1', 'cursor'));
    await settle();
    stage.cluster.connection.end(1006);
    await stage.runtime.advance(0);
    stage.cluster.connection.notify('data-consumer-opened', offer('d9', 'cursor'));
    await settle();
    channels.receiving[0]?.receive('from the old one');
    channels.receiving[1]?.receive('from the new one');
    expect(heard.map(({ payload }) => payload)).toEqual(['from the new one']);
  });
});
