import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { load } from '../../src/load/command.ts';
import type { LoadLine } from '../../src/load/record.ts';
import { LOCAL_REGIONS, LocalCluster } from '../../src/local-cluster/index.ts';

const LIGHT = ['--video-kbps', '100', '--ramp', '10', '--generators', '1'];

describe('load on a running cluster', () => {
  let dir: string;
  let cluster: LocalCluster;
  /** The hosts of rooms are guests too: six in the first run; twenty are asked for in the second, more than two minutes let in. */
  const GUESTS = 9;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'load-test-'));
    cluster = await LocalCluster.start({
      dataDir: dir,
      regions: LOCAL_REGIONS.slice(0, 2),
      nodeEnv: { MERIDIAN_LOG_LEVEL: 'fatal' },
      sessionApiEnv: { MERIDIAN_LOG_LEVEL: 'fatal', MERIDIAN_GUESTS_PER_MINUTE: String(GUESTS) },
    });
  });

  afterAll(async () => {
    await cluster.stop();
    await rm(dir, { recursive: true, force: true });
  });

  async function run(...args: string[]): Promise<{ code: number; lines: LoadLine[] }> {
    const out = join(dir, 'load.jsonl');
    const code = await load([...args, ...LIGHT, '--url', cluster.url, '--out', out]);
    const lines = (await readFile(out, 'utf8')).trim().split('\n');
    return { code, lines: lines.map((line): LoadLine => JSON.parse(line)) };
  }

  test('everybody joins, sends and receives over nodes and relays; then failures are told by their code', async () => {
    // Given two nodes, told by their addresses
    const metrics = [...cluster.nodes.values()].map(({ url }) => url).join(',');
    const regions = LOCAL_REGIONS.slice(0, 2).map(({ region }) => region);

    // When four people are in two rooms over both nodes
    const { code, lines } = await run(
      ...['--participants', '4', '--rooms', '2', '--seconds', '4', '--settle', '1'],
      ...['--metrics', metrics, '--regions', regions.join(',')],
    );

    // Then all are in, and each receives sound and picture of the other
    const level = lines.find((line) => line.type === 'level');
    expect(code).toBe(0);
    expect(level).toMatchObject({
      joins: { joined: 4, failed: 0, byCode: {} },
      lost: 0,
      figures: { participants: 4, streams: 8, silentStreams: 0, missingStreams: 0, unsentPackets: 0 },
    });
    expect(level?.figures?.receivedPerS).toBeGreaterThan(0);
    expect(level?.figures?.latency?.p50).toBeGreaterThan(0);
    expect(Object.keys(level?.joins.latency ?? {})).toEqual(
      expect.arrayContaining(['guest', 'session', 'connect', 'place', 'join', 'total', 'sending']),
    );
    // And the raw data tells every join, the nodes' metrics, and relays among them
    const joins = lines.filter((line) => line.type === 'join');
    expect(new Set(joins.map(({ node }) => node))).toEqual(new Set(cluster.nodes.keys()));
    const last = lines.findLast((line) => line.type === 'sample');
    expect(last?.nodes.map(({ participants }) => participants)).toEqual([2, 2]);
    expect(last?.nodes.every(({ relayLinks }) => relayLinks > 0)).toBe(true);
    expect(lines[0]?.type).toBe('header');
    expect(lines.at(-1)).toMatchObject({ type: 'end', interrupted: false });

    // When more come than the service lets in
    const refused = await run(
      ...['--participants', '17', '--rooms', '3', '--seconds', '1', '--settle', '0', '--publish', 'audio'],
    );

    // Then they are counted with the code, and the command says so
    const { joins: counted } = refused.lines.find((line) => line.type === 'level') ?? {};
    expect(refused.code).toBe(1);
    expect(counted?.byCode).toEqual({ 'rate-limited': counted?.failed });
    expect(counted?.failed).toBeGreaterThan(0);
    const failed = refused.lines.filter((line) => line.type === 'join' && line.outcome === 'failed');
    expect(failed).toHaveLength(counted?.failed ?? -1);
  });
});
