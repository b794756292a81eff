import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Person } from '../../src/index.ts';
import { framesRise, openStage, type Stage } from './support.ts';

let stage: Stage;
const contexts: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  stage = await openStage({ fps: 10 });
});
afterEach(async () => {
  await Promise.all(contexts.splice(0).map((one) => one.close()));
  await stage.clear();
});
afterAll(() => stage?.close());

/** What somebody sees whose browser keeps camera and microphone to itself. */
const NO_DEVICES = `navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException('Permission denied', 'NotAllowedError');
};`;

async function withoutDevices(room: string, name: string, autojoin: boolean): Promise<Person> {
  const context = await stage.browser.newContext({ viewport: { width: 390, height: 720 } });
  contexts.push(context);
  await context.addInitScript(NO_DEVICES);
  return Person.inContext(context, { url: stage.cluster.url, room, name }, { autojoin });
}

async function refusal(person: Person): Promise<string | null> {
  const card = person.page.getByTestId('error-card');
  await card.waitFor({ state: 'visible', timeout: 20_000 });
  return card.getAttribute('data-code');
}

interface Owned {
  readonly slug: string;
  end(): Promise<void>;
}

/** A room whose owner is at hand. */
async function ownRoom(body: Record<string, unknown> = {}): Promise<Owned> {
  const call = async (method: string, path: string, token: string | undefined, data: unknown) => {
    const reply = await fetch(`${stage.cluster.url}/v1${path}`, {
      method,
      headers: {
        ...(data === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(data === undefined ? {} : { body: JSON.stringify(data) }),
    });
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
    return reply.status === 204 ? {} : ((await reply.json()) as Record<string, string>);
  };
  const { userToken } = await call('POST', '/guests', undefined, { name: 'Owner' });
  const { slug = '' } = await call('POST', '/rooms', userToken, { title: 'Owned', ...body });
  return { slug, end: async () => void (await call('DELETE', `/rooms/${slug}`, userToken, undefined)) };
}

describe('somebody who keeps camera and microphone back', () => {
  it('is told about both before the call, with the way in still within reach on a phone, and joins without', async () => {
    const { slug } = await ownRoom();
    const shy = await withoutDevices(slug, 'Shy', false);
    const notices = shy.page.getByTestId('device-notice');
    await notices.first().waitFor({ state: 'visible' });
    const codes = await notices.evaluateAll((all) => all.map((one) => one.getAttribute('data-code')));
    expect(codes.toSorted()).toEqual(['camera-denied', 'microphone-denied']);
    const button = await shy.page.getByTestId('join-button').boundingBox();
    expect((button?.y ?? Number.POSITIVE_INFINITY) + (button?.height ?? 0)).toBeLessThanOrEqual(720);

    await shy.click('join-button');
    await shy.waitUntilJoined();
    const anna = await stage.join({ room: slug, name: 'Anna', region: 'eu-west' });
    await framesRise(shy, 'Anna', 5);
    expect((await anna.tileOf('Shy'))?.hasVideo).toBe(false);
  });
});

describe('a room that does not let somebody in', () => {
  it('says that it is private', async () => {
    const { slug } = await ownRoom({ visibility: 'private' });
    const stranger = await stage.open({ room: slug, name: 'Stranger' }, { autojoin: true });
    expect(await refusal(stranger)).toBe('room-private');
  });

  it('says that it has ended, also to those who were in it', async () => {
    const owned = await ownRoom();
    const anna = await stage.join({ room: owned.slug, name: 'Anna', region: 'eu-west' });
    await owned.end();
    expect(await refusal(anna)).toBe('room-ended');
  });
});

// Last: nothing works after it.
describe('a cluster without a node', () => {
  it('says so', async () => {
    const { slug } = await ownRoom();
    for (const node of stage.cluster.nodes.values()) await node.child.stop();
    const anna = await stage.open({ room: slug, name: 'Anna' }, { autojoin: true });
    expect(await refusal(anna)).toBe('no-healthy-node');
  });
});
