import { DataProducerId, RoomSlug } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import { joinHalves } from '../../src/relays.ts';
import { nodeTable } from '../../src/render/nodes.ts';
import { roomReport, roomTable } from '../../src/render/rooms.ts';
import { aHalf, aNodeRecord, aParticipant, aProducer, NOW, node, roomIdOf } from '../builders.ts';

describe('the table of nodes', () => {
  it('has one line for each node, and a sum', () => {
    const nodes = [
      { record: aNodeRecord('eu-1'), reserved: 2 },
      { record: aNodeRecord('eu-2', { state: 'draining', startedAtMs: NOW - 9_000 }), reserved: 0 },
    ];
    expect(nodeTable(nodes, NOW).split('\n')).toEqual([
      'NODE  REGION   PLACE      STATE     SESSIONS  COMING  ROOMS  CONSUMERS  WORKERS   CPU     UP FOR  CLOCK  VERSION',
      'eu-1  eu-west  Amsterdam  ready        3/200       2      1         12        2  26 %  2 h 5 min      ?  0.1.0',
      'eu-2  eu-west  Amsterdam  draining     3/200       0      1         12        2  26 %        9 s      ?  0.1.0',
      '',
      '2 nodes, 1 of them draining, 6 sessions',
    ]);
  });

  it('says when there are none', () => {
    expect(nodeTable([], NOW)).toContain('no nodes');
  });
});

describe('the table of rooms', () => {
  it('has name, people and nodes of each room', () => {
    const rooms = [
      {
        roomId: roomIdOf('r1'),
        slug: RoomSlug.parse('stand-up'),
        participants: 3,
        nodes: [node('ap-1'), node('eu-1')],
      },
      { roomId: roomIdOf('r2'), slug: null, participants: 1, nodes: [node('eu-1')] },
    ];
    expect(roomTable(rooms).split('\n')).toEqual([
      'ROOM      PARTICIPANTS  NODES       ID',
      'stand-up             3  ap-1, eu-1  r1',
      '?                    1  eu-1        r2',
      '',
      '2 rooms, 4 participants',
    ]);
  });

  it('says when there are none', () => {
    expect(roomTable([])).toContain('no rooms');
  });
});

describe('the report on a room', () => {
  const ada = aParticipant('Ada');
  const grace = aParticipant('Grace', { nodeId: node('ap-1'), connection: 'reconnecting' });

  it('shows who is in it, what they publish with its origin, and the links that carry it', () => {
    const text = roomReport(
      {
        slug: RoomSlug.parse('stand-up'),
        snapshot: {
          roomId: roomIdOf('room-1'),
          revision: 7,
          participants: [ada, grace],
          producers: [aProducer(ada), aProducer(grace, { kind: 'audio', source: 'microphone', paused: true })],
          dataProducers: [
            {
              dataProducerId: DataProducerId.parse('d-1'),
              sessionId: grace.sessionId,
              nodeId: grace.nodeId,
              label: 'reactions',
              protocol: '',
            },
          ],
        },
        links: joinHalves([
          { nodeId: node('eu-1'), links: [aHalf('origin', { origin: 'eu-1', puller: 'ap-1' })] },
          { nodeId: node('ap-1'), links: [aHalf('puller', { origin: 'eu-1', puller: 'ap-1' })] },
        ]),
      },
      NOW,
    );
    expect(text.split('\n')).toEqual([
      'room stand-up (room-1), revision 7: 2 participants, 2 streams',
      '',
      'PARTICIPANT  NODE  REGION   CONNECTION       IN FOR  USER     SESSION',
      'Ada          eu-1  eu-west  connected     1 min 5 s  u-ada    s-ada',
      'Grace        ap-1  eu-west  reconnecting  1 min 5 s  u-grace  s-grace',
      '',
      'STREAM OF  SOURCE      KIND   ORIGIN  STATE   PRODUCER',
      'Ada        camera      video  eu-1    live    p-ada',
      'Grace      microphone  audio  ap-1    paused  p-grace',
      '',
      'DATA OF  LABEL      ORIGIN  PRODUCER',
      'Grace    reactions  ap-1    d-1',
      '',
      'FROM  TO    STREAMS  DATA       RTT  JITTER    LOSS  CARRIED      UP FOR  STATE  LINK',
      'eu-1  ap-1        2     1  181.3 ms  1.5 ms  0.13 %   5.0 MB  1 min 30 s  whole  link-1',
      '',
      '1 relay link',
    ]);
  });

  it('says when nobody is in it', () => {
    const snapshot = { roomId: roomIdOf('r1'), revision: 0, participants: [], producers: [], dataProducers: [] };
    const text = roomReport({ slug: RoomSlug.parse('stand-up'), snapshot, links: [] }, NOW);
    expect(text).toContain('nobody is in it');
    expect(text).toContain('no relay links');
  });
});
