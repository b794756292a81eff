import { describe, expect, it } from 'vitest';
import { ChatLog } from '../../src/room/chat-log.ts';
import { Roster } from '../../src/room/roster.ts';
import { chatLine, participant, producer } from '../support/builders.ts';

const typesOf = (changes: readonly { type: string }[]) => changes.map(({ type }) => type);

describe('the roster', () => {
  it('tells people apart from those who were there: a second join of the same session is an update', () => {
    const roster = new Roster();
    expect(typesOf(roster.joined(participant('a')))).toEqual(['participant-joined']);
    expect(roster.joined(participant('a'))).toEqual([]);
    expect(typesOf(roster.joined(participant('a', { epoch: 2, nodeId: 'sin-1' })))).toEqual(['participant-updated']);
    expect(roster.participants).toHaveLength(1);
  });

  it('takes along what somebody published when they leave', () => {
    const roster = new Roster();
    roster.joined(participant('a'));
    roster.producerOpened(producer('p1', 'a'));
    expect(typesOf(roster.left(participant('a').sessionId, 'left'))).toEqual(['producer-closed', 'participant-left']);
    expect(roster.producers).toEqual([]);
    expect(roster.left(participant('a').sessionId, 'left')).toEqual([]);
  });

  it('orders people by arrival', () => {
    const roster = new Roster();
    roster.joined(participant('late', { joinedAtMs: 30 }));
    roster.joined(participant('early', { joinedAtMs: 10 }));
    roster.joined(participant('also-early', { joinedAtMs: 10 }));
    expect(roster.participants.map(({ name }) => name)).toEqual(['also-early', 'early', 'late']);
  });

  it('says of a new snapshot only what differs', () => {
    const roster = new Roster();
    roster.joined(participant('stays'));
    roster.joined(participant('goes'));
    roster.producerOpened(producer('p-stays', 'stays'));
    roster.producerOpened(producer('p-goes', 'stays', { source: 'screen' }));
    const changes = roster.reset({
      participants: [participant('stays'), participant('new')],
      producers: [producer('p-stays', 'stays', { paused: true })],
    });
    expect(typesOf(changes).sort()).toEqual([
      'participant-joined',
      'participant-left',
      'producer-closed',
      'producer-updated',
    ]);
  });

  it('reports a pause once', () => {
    const roster = new Roster();
    roster.producerOpened(producer('p1', 'a'));
    const { producerId } = producer('p1', 'a');
    expect(typesOf(roster.producerPaused(producerId, true))).toEqual(['producer-updated']);
    expect(roster.producerPaused(producerId, true)).toEqual([]);
    expect(roster.producer(producerId)?.paused).toBe(true);
    expect(roster.producerPaused(producer('unknown', 'a').producerId, true)).toEqual([]);
  });
});

describe('the chat log', () => {
  it('keeps lines in order and once, in whatever order they come', () => {
    const log = new ChatLog();
    log.add(chatLine('3-0', 3), chatLine('1-0', 1));
    expect(log.add(chatLine('2-0', 2), chatLine('1-0', 1))).toHaveLength(1);
    expect(log.lines.map(({ id }) => id)).toEqual(['1-0', '2-0', '3-0']);
  });

  it('orders lines of the same millisecond by their ids', () => {
    const log = new ChatLog();
    log.add(chatLine('5-10', 5), chatLine('5-9', 5), chatLine('5-2', 5));
    expect(log.lines.map(({ id }) => id)).toEqual(['5-2', '5-9', '5-10']);
  });
});

describe('a producer in the place of another one', () => {
  const old = producer('p1', 's-other');
  const next = producer('p2', 's-other', { nodeId: 'sin-1', replaces: 'p1' });

  it('is the one that counts; the end of the old one is no news', () => {
    const roster = new Roster();
    roster.producerOpened(old);
    expect(roster.producerOpened(next)).toEqual([{ type: 'producer-replaced', before: old, producer: next }]);
    expect(roster.producers).toEqual([next]);
    expect(roster.producer(old.producerId)).toEqual(old);
    expect(roster.producerClosed(old.producerId)).toEqual([]);
    expect(roster.producerClosed(next.producerId)).toEqual([{ type: 'producer-closed', producer: next }]);
  });

  it('that goes first gives the place back', () => {
    const roster = new Roster();
    roster.producerOpened(old);
    roster.producerOpened(next);
    expect(roster.producerClosed(next.producerId)).toEqual([
      { type: 'producer-replaced', before: next, producer: old },
    ]);
  });

  it('counts in a snapshot of whatever order', () => {
    for (const producers of [
      [old, next],
      [next, old],
    ]) {
      const roster = new Roster();
      expect(roster.reset({ participants: [], producers })).toEqual([{ type: 'producer-opened', producer: next }]);
    }
  });

  it('is no producer of ours: those we know better', () => {
    const roster = new Roster(old.sessionId);
    expect(roster.producerOpened(old)).toEqual([]);
    expect(roster.producers).toEqual([]);
  });
});
