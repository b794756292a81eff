import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/index.ts';
import { Stage } from '../support/stage.ts';

const KEY = 'meridian.session.weekly';

describe('a tab', () => {
  it('that is loaded anew goes on with its session; one that was duplicated from it begins one of its own', async () => {
    // Given a tab that was loaded anew
    const stage = new Stage();
    await stage.join();
    stage.runtime.hidePage();
    await stage.join();
    expect(stage.cluster.sessionRequests.at(-1)).toMatchObject({ previousSessionToken: 'token1.s-1' });

    // When the browser duplicates it, with a copy of its storage
    const store = memoryStore();
    const kept = stage.store.getItem(KEY);
    if (kept !== null) store.setItem(KEY, kept);
    await stage.join({ store });

    // Then the copy does not take the session of the original
    expect(stage.cluster.sessionRequests).toHaveLength(3);
    expect(stage.cluster.sessionRequests.at(-1)).not.toHaveProperty('previousSessionToken');
  });
});
