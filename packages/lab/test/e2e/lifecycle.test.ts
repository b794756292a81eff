import { eventually } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Person } from '../../src/index.ts';
import { framesRise, metric, openStage, SMALL_WINDOW, type Stage, seeEachOther, showsExactly } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage({ fps: 10, viewport: SMALL_WINDOW });
});
afterEach(() => stage.clear());
afterAll(() => stage?.close());

describe('coming and going', () => {
  it('a refreshed page takes its own place again: nobody is doubled or lost', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });
    await framesRise(anna, 'Binh', 5);
    const before = await anna.tileOf('Binh');

    for (let round = 0; round < 3; round += 1) {
      await binh.page.reload();
      await binh.waitUntilJoined();
    }

    await showsExactly(anna, ['Anna', 'Binh']);
    await showsExactly(binh, ['Anna', 'Binh']);
    expect((await anna.tileOf('Binh'))?.sessionId).toBe(before?.sessionId);
    await seeEachOther([anna, binh], 5);
  });

  it('who leaves is gone at once, by button and by closing the tab, and the relay with them', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });
    const chi = await stage.join({ room, name: 'Chi', region: 'ap-vn' });
    await showsExactly(anna, ['Anna', 'Binh', 'Chi']);
    await framesRise(anna, 'Binh', 5);

    await binh.leave();
    await showsExactly(anna, ['Anna', 'Chi']);
    await chi.close();
    await showsExactly(anna, ['Anna']);

    for (const node of stage.cluster.nodes.values()) {
      await eventually(
        `${node.region.nodeId} holds no relay link any more`,
        async () => {
          return (await metric(node.url, 'meridian_relay_links')) === 0;
        },
        { withinMs: 20_000, everyMs: 200 },
      );
    }
  });

  it('a room that is full says so, and lets the next one in when somebody has left', async () => {
    const room = await stage.room({ capacity: 1 });
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await stage.open({ room, name: 'Binh', region: 'eu-west' }, { autojoin: true });
    const card = binh.page.getByTestId('error-card');
    await card.waitFor({ state: 'visible', timeout: 20_000 });
    expect(await card.getAttribute('data-code')).toBe('room-full');

    await anna.leave();
    await eventually(
      'Binh gets in',
      async () => {
        await binh.page.reload();
        await binh.waitUntilJoined(5_000);
      },
      { withinMs: 40_000, everyMs: 500 },
    );
    await showsExactly(binh, ['Binh']);
  });
});

describe('two tabs of one person', () => {
  /** Opens tabs of one browser, which holds one account; they name different regions. */
  async function browserOf(name: string) {
    const context = await stage.browser.newContext({
      viewport: SMALL_WINDOW,
      permissions: ['camera', 'microphone'],
    });
    onTestFinished(() => context.close());
    return (room: string, region: string) =>
      Person.inContext(context, { url: stage.cluster.url, room, name, region, quality: 'low' }, { autojoin: true });
  }
  const sessionsOf = async (viewer: Person, name: string) =>
    (await viewer.tiles()).filter((tile) => tile.name.includes(name)).map(({ sessionId }) => sessionId);

  it('are two participants, each of which comes and goes by itself', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west', quality: 'low' });
    const openTab = await browserOf('Binh');
    const first = await openTab(room, 'ap-southeast');
    await first.waitUntilJoined();
    const [older] = await eventually('Anna sees the first', async () => {
      const all = await sessionsOf(anna, 'Binh');
      return all.length === 1 && all;
    });
    const second = await openTab(room, 'ap-vn');
    await second.waitUntilJoined();
    await eventually('Anna sees both', async () => (await sessionsOf(anna, 'Binh')).length === 2);

    await second.leave();
    await eventually('the first is left', async () => {
      expect(await sessionsOf(anna, 'Binh')).toEqual([older]);
    });
    await framesRise(anna, 'Binh', 5);
    await framesRise(first, 'Anna', 5);
  });

  it('are one where the room wants it so: the newer takes the place, the older is told and stays away', async () => {
    const room = await stage.room({ duplicates: 'replace' });
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west', quality: 'low' });
    const openTab = await browserOf('Binh');
    const first = await openTab(room, 'ap-southeast');
    await first.waitUntilJoined();
    await framesRise(anna, 'Binh', 5);
    const [older] = await sessionsOf(anna, 'Binh');

    const second = await openTab(room, 'ap-vn');
    await second.waitUntilJoined();

    const card = first.page.getByTestId('error-card');
    await card.waitFor({ state: 'visible', timeout: 20_000 });
    expect(await card.getAttribute('data-code')).toBe('session-replaced');
    await showsExactly(anna, ['Anna', 'Binh']);
    expect(await sessionsOf(anna, 'Binh')).not.toEqual([older]);
    await framesRise(anna, 'Binh', 5);
    await framesRise(second, 'Anna', 5);
    expect(await card.isVisible()).toBe(true);
    await showsExactly(anna, ['Anna', 'Binh']);
  });
});

describe('six people over three nodes', () => {
  it('all see all others move', async () => {
    const room = await stage.room();
    const regions = ['eu-west', 'ap-southeast', 'ap-vn', 'eu-west', 'ap-southeast', 'ap-vn'];
    const names = ['Anna', 'Binh', 'Chen', 'Dora', 'Emil', 'Fien'];
    const people = [];
    for (const [index, name] of names.entries()) {
      people.push(await stage.join({ room, name, region: regions[index] ?? 'eu-west', quality: 'low' }));
    }
    for (const viewer of people) await showsExactly(viewer, names, 40_000);
    await seeEachOther(people, 3, 60_000);
  });
});

describe('a node that is killed', () => {
  it('takes nobody out of the call: the others go on, its own people come back on another node', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });
    // Chi lets the cluster choose, so that she may be placed anew; until then she sits where she was sent.
    const chi = await stage.join({ room, name: 'Chi' });
    const lost = (await chi.tileOf('Chi'))?.nodeId ?? '';
    await showsExactly(anna, ['Anna', 'Binh', 'Chi']);
    for (const name of ['Binh', 'Chi']) await framesRise(anna, name, 5);

    stage.cluster.node(lost).child.signal('SIGKILL');

    for (const viewer of [anna, binh, chi]) {
      await showsExactly(viewer, ['Anna', 'Binh', 'Chi'], 40_000);
      await eventually(
        `${viewer.name} sees nobody on the dead node`,
        async () => {
          return (await viewer.tiles()).every((tile) => tile.nodeId !== lost);
        },
        { withinMs: 40_000, everyMs: 200 },
      );
    }
    await seeEachOther([anna, binh, chi], 5, 40_000);
    await stage.cluster.restartNode(lost);
  });
});
