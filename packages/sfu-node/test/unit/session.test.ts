import { Epoch, NodeId, Region, SessionId, type SessionLease, UserId } from '@meridian/protocol';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { farewell } from '../../src/sessions/end-session.ts';
import { mayFollow, Session, type SessionPhase } from '../../src/sessions/session.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { Connection } from '../../src/signalling/connection.ts';
import { Dialogue } from '../../src/signalling/dialogue.ts';
import { TokenBucket } from '../../src/token-bucket.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeSocket } from '../support/fake-socket.ts';

function lease(epoch: number, name = 'ann'): SessionLease {
  return {
    sessionId: SessionId.parse(name),
    userId: UserId.parse('user'),
    name: 'Ann',
    nodeId: NodeId.parse('ams-1'),
    region: Region.parse('eu-west'),
    epoch: Epoch.parse(epoch),
    attachedAtMs: 0,
  };
}

function session(name = 'ann'): Session {
  const clock = new FakeClock();
  const connection = new Connection({
    socket: new FakeSocket(),
    clock,
    limits: {
      maxFrameBytes: 1,
      maxBufferedBytes: 1,
      frames: { perSecond: 1, burst: 1 },
      maxInFlight: 1,
      pingEveryMs: 1_000,
      deadAfterMs: 10_000,
    },
    observer: { frame: () => {}, rateLimited: () => {} },
    onFault: () => {},
  });
  const dialogue = new Dialogue({
    clock,
    limits: { maxInFlight: 1, keepBytes: 1_000 },
    observer: { frame: () => {}, request: () => {}, dropped: () => {}, rateLimited: () => {} },
    prepare: () => ({ order: { kind: 'free' }, run: async () => ({}) }),
    onFailure: () => {},
  });
  const claims = {
    iss: 'x',
    iat: 0,
    exp: 0,
    sub: UserId.parse('user'),
    name: 'Ann',
    sid: SessionId.parse(name),
    aud: NodeId.parse('ams-1'),
  };
  const chatBucket = new TokenBucket({ perSecond: 1, burst: 1 }, 0);
  return new Session({ claims, connection, log: pino({ level: 'silent' }), belongings: { dialogue, chatBucket } });
}

const attached = (epoch: number, name?: string): Session => {
  const one = session(name);
  one.move({ phase: 'attached', lease: lease(epoch, name) });
  return one;
};

describe("a session's life", () => {
  test('takes only the steps that a life has', () => {
    const phases: SessionPhase[] = ['attaching', 'attached', 'joining', 'joined', 'suspended', 'resumed', 'ended'];
    const allowed = phases.flatMap((from) => phases.filter((to) => mayFollow(from, to)).map((to) => `${from} > ${to}`));
    expect(allowed).toEqual([
      'attaching > attached',
      'attaching > joined',
      'attaching > ended',
      'attached > joining',
      'attached > ended',
      'joining > attached',
      'joining > joined',
      'joining > ended',
      'joined > attached',
      'joined > suspended',
      'joined > resumed',
      'joined > ended',
      'suspended > resumed',
      'suspended > ended',
    ]);
    const one = attached(1);
    expect(() => one.move({ phase: 'attaching' })).toThrow('cannot go from attached to attaching');
  });

  test('has a lease from its attachment to its end, and a participant while it is joined', () => {
    const one = session();
    expect(() => one.lease).toThrow(expect.objectContaining({ code: 'session-not-attached' }));
    one.move({ phase: 'attached', lease: lease(3) });
    expect(one.lease.epoch).toBe(3);
    expect(() => one.participant).toThrow(expect.objectContaining({ code: 'not-joined' }));
    one.move({ phase: 'ended', reason: 'left' });
    expect(() => one.lease).toThrow(expect.objectContaining({ code: 'session-not-attached' }));
  });
});

describe('the sessions of a node', () => {
  test('the newer attachment takes the place of the older, whichever comes first', () => {
    const sessions = new Sessions();
    const [older, newer] = [attached(1), attached(2)];
    expect(sessions.put(older)).toBeUndefined();
    expect(sessions.put(newer)).toBe(older);
    expect(sessions.find(newer.sessionId)).toBe(newer);

    const late = attached(1);
    expect(sessions.put(late)).toBe(late);
    expect(sessions.find(newer.sessionId)).toBe(newer);
    sessions.remove(older);
    expect(sessions.size).toBe(1);
    sessions.remove(newer);
    expect(sessions.size).toBe(0);
  });
});

describe('every reason to end', () => {
  test('is told to the client by its own close', () => {
    expect(farewell('left')).toBe('normal');
    expect(farewell('worker-died')).toBe('keeps-connection');
    expect(farewell('replaced')).toBe('session-replaced');
    expect(farewell('kicked')).toBe('session-kicked');
    expect(farewell('room-ended')).toBe('room-ended');
    expect(farewell('node-shutdown')).toBe('node-shutdown');
    expect(farewell('slow-reader')).toBe('slow-reader');
    expect(farewell('protocol-error')).toBe('bad-request');
    expect(farewell('token-revoked')).toBe('token-revoked');
    expect(
      ['connection-lost', 'transport-failed', 'node-lost'].map((reason) => farewell(reason as 'node-lost')),
    ).toEqual(['session-lost', 'session-lost', 'session-lost']);
  });
});
