import { Participant } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import { chooseVisible, type Person } from '../../src/room/people.ts';

const person = (name: string, more: Partial<Person> = {}): Person => ({
  participant: Participant.parse({
    sessionId: name,
    userId: name,
    name,
    nodeId: 'ams-1',
    region: 'ams',
    epoch: 1,
    joinedAtMs: 1,
    connection: 'connected',
  }),
  isSelf: false,
  micOn: true,
  camera: undefined,
  screen: undefined,
  ...more,
});

const namesOf = (people: readonly Person[]) => people.map(({ participant }) => participant.name);

describe('who gets a tile', () => {
  it('everybody, while there is room', () => {
    const people = [person('a'), person('b')];
    expect(chooseVisible(people, 2, new Set())).toEqual(people);
  });

  it('else oneself and those who speak, in the order in which they came', () => {
    const people = [person('a'), person('b'), person('c'), person('me', { isSelf: true })];
    expect(namesOf(chooseVisible(people, 2, new Set(['c'])))).toEqual(['c', 'me']);
    expect(namesOf(chooseVisible(people, 3, new Set(['c'])))).toEqual(['a', 'c', 'me']);
  });
});
