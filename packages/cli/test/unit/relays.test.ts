import { LinkId, RoomSlug } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinHalves, newAskerId, type RelayHalf } from '../../src/relays.ts';
import { relayTable, unansweredLines } from '../../src/render/relays.ts';
import { aHalf, NOW, node } from '../builders.ts';

const ends = { origin: 'eu-1', puller: 'ap-1' };

describe('the halves of relay links', () => {
  it('make one link, from the origin to the puller', () => {
    const [origin, puller] = [aHalf('origin', ends), aHalf('puller', ends)];
    const links = joinHalves([
      { nodeId: node('eu-1'), links: [origin] },
      { nodeId: node('ap-1'), links: [puller] },
    ]);
    expect(links).toEqual([
      {
        linkId: 'link-1',
        roomId: 'room-1',
        originNodeId: 'eu-1',
        pullerNodeId: 'ap-1',
        state: 'whole',
        origin,
        puller,
      },
    ]);
  });

  it('are half a link when the other node answered and does not hold it', () => {
    const links = joinHalves([
      { nodeId: node('eu-1'), links: [aHalf('origin', ends)] },
      { nodeId: node('ap-1'), links: [] },
    ]);
    expect(links).toMatchObject([{ state: 'half', originNodeId: 'eu-1', pullerNodeId: 'ap-1', puller: null }]);
  });

  it('are an unknown link when the other node did not answer', () => {
    const links = joinHalves([{ nodeId: node('ap-1'), links: [aHalf('puller', ends)] }]);
    expect(links).toMatchObject([{ state: 'unknown', originNodeId: 'eu-1', pullerNodeId: 'ap-1', origin: null }]);
  });

  it('of links that go both ways between two nodes are two links', () => {
    const back = { origin: 'ap-1', puller: 'eu-1', linkId: LinkId.parse('link-2') };
    const links = joinHalves([
      { nodeId: node('eu-1'), links: [aHalf('origin', ends), aHalf('puller', back)] },
      { nodeId: node('ap-1'), links: [aHalf('puller', ends), aHalf('origin', back)] },
    ]);
    expect(links.map(({ originNodeId, pullerNodeId, state }) => [originNodeId, pullerNodeId, state])).toEqual([
      ['ap-1', 'eu-1', 'whole'],
      ['eu-1', 'ap-1', 'whole'],
    ]);
  });

  it('give the same links in whatever order the nodes answer, each link once and whole', () => {
    const pair = fc
      .tuple(fc.constantFrom('n1', 'n2', 'n3', 'n4'), fc.constantFrom('n1', 'n2', 'n3', 'n4'))
      .filter(([origin, puller]) => origin !== puller);
    fc.assert(
      fc.property(
        fc.array(pair, { maxLength: 12 }),
        fc.shuffledSubarray(['n1', 'n2', 'n3', 'n4'], { minLength: 4 }),
        (pairs, order) => {
          const held = new Map<string, RelayHalf[]>(order.map((id) => [id, []]));
          for (const [index, [origin, puller]] of pairs.entries()) {
            const link = { origin, puller, linkId: LinkId.parse(`link-${index}`) };
            held.get(origin)?.push(aHalf('origin', link));
            held.get(puller)?.push(aHalf('puller', link));
          }
          const answer = (ids: readonly string[]) =>
            joinHalves(ids.map((id) => ({ nodeId: node(id), links: held.get(id) ?? [] })));
          const links = answer(order);
          expect(links.map(({ linkId }) => linkId).sort()).toEqual(pairs.map((_, index) => `link-${index}`).sort());
          expect(links.every(({ state }) => state === 'whole')).toBe(true);
          expect(links).toEqual(answer(['n1', 'n2', 'n3', 'n4']));
        },
      ),
    );
  });
});

describe('the table of relay links', () => {
  it('shows the figures of the puller, who receives the media', () => {
    const links = joinHalves([
      { nodeId: node('eu-1'), links: [aHalf('origin', ends)] },
      { nodeId: node('ap-1'), links: [aHalf('puller', ends)] },
    ]);
    const text = relayTable(links, { nowMs: NOW, nameOf: () => RoomSlug.parse('stand-up') });
    expect(text.split('\n')).toEqual([
      'ROOM      FROM  TO    STREAMS  DATA       RTT  JITTER    LOSS  CARRIED      UP FOR  STATE  LINK',
      'stand-up  eu-1  ap-1        2     1  181.3 ms  1.5 ms  0.13 %   5.0 MB  1 min 30 s  whole  link-1',
      '',
      '1 relay link',
    ]);
  });

  it('shows the room’s id where its name is not known, and leaves out what was not measured', () => {
    const half = aHalf('puller', { ...ends, rttMs: null, jitterMs: null, lossFraction: null });
    const links = joinHalves([{ nodeId: node('ap-1'), links: [half] }]);
    const text = relayTable(links, { nowMs: NOW, nameOf: () => undefined });
    expect(text).toMatch(/room-1 +eu-1 +ap-1 +2 +1 +- +- +- +5\.0 MB +1 min 30 s +half: eu-1 did not say +link-1/);
  });

  it('says which node does not hold its half', () => {
    const links = joinHalves([
      { nodeId: node('eu-1'), links: [aHalf('origin', ends)] },
      { nodeId: node('ap-1'), links: [] },
    ]);
    expect(relayTable(links, { nowMs: NOW })).toContain('half: ap-1 does not hold it');
  });

  it('says through which nothing comes, as its puller tells it', () => {
    const origin = { nodeId: node('eu-1'), links: [aHalf('origin', ends)] };
    const puller = { nodeId: node('ap-1'), links: [aHalf('puller', { ...ends, down: true })] };
    const whole = relayTable(joinHalves([origin, puller]), { nowMs: NOW });
    expect(whole).toContain('down: nothing comes through');
    expect(whole.split('\n').at(-1)).toBe('1 relay link, 1 down');
    expect(relayTable(joinHalves([puller]), { nowMs: NOW })).toContain('half: eu-1 did not say, nothing comes through');
  });

  it('says when there are none, and which nodes did not answer', () => {
    expect(relayTable([], { nowMs: NOW })).toBe('no relay links');
    const line = { nodeId: node('ap-1'), code: 'deadline-exceeded', message: 'too late\u001b[0m' } as const;
    expect(unansweredLines([line])).toEqual(['ap-1 did not tell its relay links: too late?[0m [deadline-exceeded]']);
  });
});

describe('the bus address of a command', () => {
  it('is a node id that names the command and is new every time', () => {
    const [one, other] = [newAskerId(() => crypto.randomUUID()), newAskerId(() => crypto.randomUUID())];
    expect(one).toMatch(/^cli-[0-9a-f]{16}$/);
    expect(one).not.toBe(other);
  });
});
