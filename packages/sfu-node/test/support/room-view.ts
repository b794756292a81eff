import type { Participant, SessionId } from '@meridian/protocol';
import { expect } from 'vitest';
import type { Joined } from './test-cluster.ts';

/** Who is in the room as one client was told, step by step; fails where a step does not fit the one before. */
export function roomView(observer: Joined): Map<SessionId, Participant> {
  const seen = new Map(observer.joined.participants.map((one) => [one.sessionId, one]));
  const { client } = observer;
  const joined = client.all('participant-joined').values();
  const left = client.all('participant-left').values();
  const updated = client.all('participant-updated').values();
  for (const { event } of client.heard) {
    if (event === 'participant-joined') {
      const { participant } = required(joined.next().value);
      const known = seen.get(participant.sessionId);
      // Told again only of a newer page.
      if (known !== undefined) expect(participant.epoch).toBeGreaterThan(known.epoch);
      seen.set(participant.sessionId, participant);
    } else if (event === 'participant-left') {
      const { sessionId } = required(left.next().value);
      expect(seen.delete(sessionId), `${sessionId} left who was not there`).toBe(true);
    } else if (event === 'participant-updated') {
      const { participant } = required(updated.next().value);
      const known = seen.get(participant.sessionId);
      expect(known, `${participant.sessionId} was updated who was not there`).toBeDefined();
      expect(participant.epoch).toBeGreaterThanOrEqual(known?.epoch ?? 0);
      seen.set(participant.sessionId, participant);
    }
  }
  return seen;
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing was heard');
  return value;
}

/** Comparable lines: who is where, in which epoch. */
export const whoIsWhere = (participants: Iterable<{ sessionId: string; nodeId: string; epoch: number }>): string[] =>
  [...participants].map((one) => `${one.sessionId} on ${one.nodeId} in epoch ${one.epoch}`).sort();
