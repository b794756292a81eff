import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type RedisProcess, startRedis } from '@meridian/harness';
import { LinkId, ProducerId } from '@meridian/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aHalf, NOW, roomIdOf } from '../builders.ts';
import { FakeNode, meridian, region } from './support.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const roomId = roomIdOf('room-of-three');

describe('the meridian command on a running cluster', () => {
  let redis: RedisProcess;
  let at: { url: string; keyPrefix: string };
  let prefixes = 0;
  let target: string[];
  const nodes: FakeNode[] = [];
  const start = async (id: string, change: Parameters<typeof FakeNode.start>[2] = {}) => {
    const node = await FakeNode.start(at, id, change);
    nodes.push(node);
    return node;
  };
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  beforeEach(() => {
    prefixes += 1;
    at = { url: redis.url, keyPrefix: `cli${prefixes}:` };
    target = ['--redis', at.url, '--redis-prefix', at.keyPrefix];
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  const singapore = { region: region('ap-southeast'), regionName: 'Singapore' };

  it('lists the nodes with their load, sorted by region', async () => {
    await start('eu-1');
    await start('ap-1', { ...singapore, state: 'draining', startedAtMs: NOW - 61_000 });
    const { code, out } = await meridian(['nodes', ...target]);
    expect(code).toBe(0);
    const [head, ap, eu, , sum] = out.split('\n');
    expect(head).toMatch(/^NODE +REGION +PLACE +STATE +SESSIONS/);
    expect(ap).toMatch(/^ap-1 +ap-southeast +Singapore +draining +3\/200 +0 +1 +12 +2 +26 % +1 min 1 s +\S+ +0\.1\.0$/);
    expect(eu).toMatch(/^eu-1 +eu-west +Amsterdam +ready/);
    expect(sum).toBe('2 nodes, 1 of them draining, 6 sessions');
  });

  it('tells the same as JSON', async () => {
    const node = await start('eu-1');
    const { code, out } = await meridian(['nodes', '--json', ...target]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      nodes: [{ reserved: 0, record: { nodeId: node.nodeId, state: 'ready' } }],
    });
  });

  it('says so when there is nothing', async () => {
    expect((await meridian(['nodes', ...target])).out).toContain('no nodes');
    expect((await meridian(['rooms', ...target])).out).toContain('no rooms');
    expect(await meridian(['relays', ...target])).toEqual({ code: 0, out: 'no relay links', err: '' });
    expect(JSON.parse((await meridian(['relays', '--json', ...target])).out)).toEqual({ relays: [], unanswered: [] });
  });

  it('lists the rooms by their names, the fullest first, and forgets those that were left', async () => {
    const [eu, ap] = [await start('eu-1'), await start('ap-1', singapore)];
    await eu.join(roomIdOf('room-of-one'), 'quiet', 'Alan');
    await eu.join(roomId, 'stand-up', 'Ada');
    const grace = await ap.join(roomId, 'stand-up', 'Grace');
    const lines = (await meridian(['rooms', ...target])).out.split('\n');
    expect(lines[1]).toMatch(/^stand-up +2 +ap-1, eu-1 +room-of-three$/);
    expect(lines[2]).toMatch(/^quiet +1 +eu-1 +room-of-one$/);
    expect(lines.at(-1)).toBe('2 rooms, 3 participants');

    const { sessionId, epoch } = grace;
    await ap.cluster.rooms.leave({ roomId, sessionId, epoch, reason: 'left' });

    const { rooms } = JSON.parse((await meridian(['rooms', '--json', ...target])).out);
    expect(rooms).toContainEqual({ roomId, slug: 'stand-up', participants: 1, nodes: ['eu-1'] });
  });

  it('shows who is in a room, the origin of each stream, and only the links of this room', async () => {
    const [eu, ap] = [await start('eu-1'), await start('ap-1', singapore)];
    await eu.join(roomId, 'stand-up', 'Ada', [{ producerId: ProducerId.parse('ada-camera') }]);
    await ap.join(roomId, 'stand-up', 'Grace', [
      { producerId: ProducerId.parse('grace-mic'), kind: 'audio', source: 'microphone', paused: true },
    ]);
    const link = { origin: 'eu-1', puller: 'ap-1', roomId };
    const other = { ...link, roomId: roomIdOf('another'), linkId: LinkId.parse('of-another-room') };
    eu.links = [aHalf('origin', link), aHalf('origin', other)];
    ap.links = [aHalf('puller', link), aHalf('puller', other)];

    const { code, out, err } = await meridian(['room', 'stand-up', ...target]);

    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).toMatch(/^room stand-up \(room-of-three\), revision \d+: 2 participants, 2 streams$/m);
    expect(out).toMatch(/^Ada +eu-1 +eu-west +connected/m);
    expect(out).toMatch(/^Grace +ap-1 +ap-southeast +connected/m);
    expect(out).toMatch(/^Ada +camera +video +eu-1 +live +ada-camera$/m);
    expect(out).toMatch(/^Grace +microphone +audio +ap-1 +paused +grace-mic$/m);
    expect(out).toMatch(/^eu-1 +ap-1 +2 +1 .*whole +link-1$/m);
    expect(out).not.toContain('of-another-room');
    const json = JSON.parse((await meridian(['room', 'stand-up', '--json', ...target])).out);
    expect(json).toMatchObject({
      slug: 'stand-up',
      roomId,
      unanswered: [],
      relays: [{ linkId: 'link-1', state: 'whole' }],
    });
    // Who came first stands first.
    expect(json.participants.map(({ name }: { name: string }) => name)).toEqual(['Ada', 'Grace']);
    expect(json.producers.map(({ producerId }: { producerId: string }) => producerId)).toEqual([
      'ada-camera',
      'grace-mic',
    ]);
  });

  it('finds a room also by its id', async () => {
    const eu = await start('eu-1');
    await eu.join(roomId, 'stand-up', 'Ada');
    expect((await meridian(['room', roomId, ...target])).out).toContain('room stand-up (room-of-three)');
  });

  it('does not find a room where nobody was', async () => {
    expect(await meridian(['room', 'nowhere', ...target])).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^meridian: nobody has joined a room "nowhere" lately; .* \[room-not-found\]$/),
    });
  });

  it('puts the two halves of each relay link together and names half ones', async () => {
    const [eu, ap] = [await start('eu-1'), await start('ap-1', singapore)];
    await eu.join(roomId, 'stand-up', 'Ada');
    const link = { origin: 'eu-1', puller: 'ap-1', roomId };
    const half = { origin: 'ap-1', puller: 'eu-1', roomId, linkId: LinkId.parse('link-2') };
    eu.links = [aHalf('origin', link)];
    ap.links = [aHalf('puller', link), aHalf('origin', half)];
    const { code, out } = await meridian(['relays', ...target]);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^stand-up +eu-1 +ap-1 +2 +1 +181\.3 ms +1\.5 ms +0\.13 % +5\.0 MB +1 min 30 s +whole +link-1$/m,
    );
    expect(out).toMatch(/^stand-up +ap-1 +eu-1 .*half: eu-1 does not hold it +link-2$/m);
    expect(out).toContain('2 relay links');
  });

  it('tells what it got, names the node that does not answer, and fails', async () => {
    const eu = await start('eu-1');
    await start('ap-1', { ...singapore, answers: false });
    eu.links = [aHalf('origin', { origin: 'eu-1', puller: 'ap-1', roomId })];
    const { code, out, err } = await meridian(['relays', ...target]);
    expect(code).toBe(1);
    expect(out).toContain('half: ap-1 did not say');
    expect(err).toMatch(/^ap-1 did not tell its relay links: .*\[deadline-exceeded\]$/);
    const json = JSON.parse((await meridian(['relays', '--json', ...target])).out);
    expect(json.unanswered).toMatchObject([{ nodeId: 'ap-1', code: 'deadline-exceeded' }]);
  });

  it('takes the cluster from MERIDIAN_REDIS_URL, or from the state file of the local one', async () => {
    await start('eu-1');
    const env = { MERIDIAN_REDIS_URL: at.url, MERIDIAN_REDIS_PREFIX: at.keyPrefix };
    expect((await meridian(['nodes'], env)).out).toContain('eu-1');
    const data = await mkdtemp(join(tmpdir(), 'meridian-cli-'));
    await writeFile(join(data, 'cluster.json'), JSON.stringify({ redisUrl: at.url, redisPrefix: at.keyPrefix }));
    expect((await meridian(['nodes', '--data', data])).out).toContain('eu-1');
    await rm(data, { recursive: true });
  });

  const execute = (args: string[]) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      execFile(process.execPath, [main, ...args], { env: { PATH: process.env.PATH } }, (error, out, err) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
      });
    });

  it('is a program that ends by itself, with results on stdout and an exit code', async () => {
    await start('eu-1');
    const { code, out, err } = await execute(['nodes', '--json', ...target]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(out)).toMatchObject({ nodes: [{ record: { nodeId: 'eu-1' } }] });
  });

  it('says in one line what is wrong, without a stack trace: Redis is not there', async () => {
    const port = await freePort();
    const { code, out, err } = await execute(['rooms', '--redis', `redis://127.0.0.1:${port}`]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^meridian: the cluster's Redis does not answer.*--redis.*\[cluster-unavailable\]$/),
    ]);
  });

  it('says in one line what is wrong, without a stack trace: the password is wrong', async () => {
    const guarded = await startRedis({ args: ['--requirepass', 'right'] });
    try {
      const { code, err } = await execute(['nodes', '--redis', `redis://:wr0ng@127.0.0.1:${guarded.port}`]);
      expect(code).toBe(1);
      expect(err.trimEnd().split('\n')).toEqual([expect.stringMatching(/^meridian: .*WRONGPASS/)]);
      expect(err).not.toContain('wr0ng');
    } finally {
      await guarded.stop();
    }
  });

  it.each([
    [['nodes', '--redis', 'nonsense'], 'the Redis URL cannot be read'],
    [['nodes', '--redis-prefix', 'a{b}', '--redis', 'redis://127.0.0.1:1'], 'the prefix of the Redis keys'],
    [['nodes', '--data', '/nowhere'], 'which cluster?'],
    [['room'], "missing required argument 'slug'"],
    [['room', 'one', 'two'], 'too many arguments'],
    [['nodes', '--frob'], "unknown option '--frob'"],
    [['frob'], "unknown command 'frob'"],
  ])('ends with 2 when the command line is wrong: %j', async (args, part) => {
    const { code, out, err } = await meridian(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(part);
  });

  it('helps when asked', async () => {
    const { code, out } = await meridian(['--help']);
    expect(code).toBe(0);
    for (const name of ['up', 'nodes', 'rooms', 'room', 'relays']) expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
  });
});
