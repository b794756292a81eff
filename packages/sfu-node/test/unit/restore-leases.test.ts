import { Epoch, NodeId, Region, SessionId, type SessionLease, UserId } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { restoreLeases } from '../../src/sessions/restore-leases.ts';

const NODE = NodeId.parse('ams-1');

const lease = (name: string): SessionLease => ({
  sessionId: SessionId.parse(name),
  userId: UserId.parse(`user-of-${name}`),
  name,
  nodeId: NODE,
  region: Region.parse('eu-west'),
  epoch: Epoch.parse(7),
  attachedAtMs: 1,
});

describe('leases that are put back after Redis lost them', () => {
  test('do not outlive a session that ended meanwhile', async () => {
    // Given two attached sessions
    const attached = new Map(
      ['ann', 'bob'].map((name) => [name, { state: { phase: 'attached', lease: lease(name) } }] as const),
    );
    const inRedis = new Set<string>();

    // When one of them ends, and its lease is taken away before it is put back
    await restoreLeases({
      nodeId: NODE,
      sessions: {
        get all() {
          return [...attached.values()];
        },
      },
      leases: {
        restore: async (leases) => {
          attached.delete('bob');
          inRedis.delete('bob');
          for (const { sessionId } of leases) inRedis.add(sessionId);
        },
        end: async (_nodeId, sessionId) => inRedis.delete(sessionId),
      },
    });

    // Then only the other one's stands
    expect([...inRedis]).toEqual(['ann']);
  });
});
