import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRoom } from '../light/api.ts';
import { LOCAL_REGIONS, LocalCluster } from '../local-cluster/index.ts';
import { RawRedis } from '../redis/raw-redis.ts';
import { Heaps, INSPECTED } from '../soak/inspector.ts';
import { Bystanders } from './bystanders.ts';
import { FrameAttacker } from './frame-attacker.ts';
import { Memory, type MemoryRow } from './memory.ts';
import { busMessages, handshakes, httpRequests } from './other-attacks.ts';
import { Random } from './random.ts';
import { breakRecords } from './records.ts';
import { Tally } from './tally.ts';

export interface FuzzOptions {
  readonly frames: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface FuzzResult {
  readonly tally: Tally;
  readonly memory: readonly MemoryRow[];
  readonly bystanderPackets: readonly number[];
}

/** Rates high enough that garbage is refused for what it is, not for its number. */
const NODE_LIMITS = {
  ...INSPECTED,
  MERIDIAN_REQUESTS_PER_SECOND: '100000',
  MERIDIAN_REQUEST_BURST: '100000',
  MERIDIAN_MAX_IN_FLIGHT: '10000',
  MERIDIAN_CHAT_PER_SECOND: '10000',
  MERIDIAN_CHAT_BURST: '10000',
  MERIDIAN_CONNECTIONS_PER_ADDRESS: '0',
  MERIDIAN_UNATTACHED_PER_ADDRESS: '1000000',
  MERIDIAN_MAX_UNATTACHED: '1000000',
  MERIDIAN_SESSIONS_PER_USER: '0',
  MERIDIAN_LOG_LEVEL: 'fatal',
};
const API_LIMITS = {
  ...INSPECTED,
  MERIDIAN_REQUESTS_PER_MINUTE: '1000000',
  MERIDIAN_GUESTS_PER_MINUTE: '1000000',
  MERIDIAN_SIGN_INS_PER_MINUTE: '1000000',
  MERIDIAN_SIGN_INS_PER_ACCOUNT: '1000000',
  MERIDIAN_ROOMS_PER_MINUTE: '1000000',
  MERIDIAN_ROOMS_PER_USER: '1000',
  MERIDIAN_SESSIONS_PER_MINUTE: '1000000',
  MERIDIAN_JOINS_PER_MINUTE: '1000000',
  MERIDIAN_LOG_LEVEL: 'fatal',
};
/** What one slice of the work consists of, of 1,000 frames. */
const SHARES = { garbage: 4, handshakes: 6, bus: 120, http: 10 };
const ATTACKERS = 4;

export async function fuzz({ frames, seed, say }: FuzzOptions): Promise<FuzzResult> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meridian-fuzz-'));
  const tally = new Tally();
  const cluster = await LocalCluster.start({ dataDir, nodeEnv: NODE_LIMITS, sessionApiEnv: API_LIMITS });
  const heaps = new Heaps();
  const memory = new Memory({ cluster, heaps, tally });
  let bystanders: Bystanders | undefined;
  let raw: RawRedis | undefined;
  const attackers: FrameAttacker[] = [];
  try {
    const { url, redisPrefix: prefix } = cluster;
    raw = await RawRedis.open(Number(new URL(cluster.redisUrl).port));
    const [near, far] = LOCAL_REGIONS.map(({ region }) => region);
    if (near === undefined || far === undefined) throw new Error('the local cluster has too few regions');
    const [attacked, quiet, scratch] = [await createRoom(url), await createRoom(url), await createRoom(url)];
    bystanders = await Bystanders.start({ url, rooms: [attacked, quiet], regions: [near, far], tally });
    const attacker = (name: string, region: string) =>
      new FrameAttacker({ url, room: attacked, region, random: new Random(seed, name), tally });
    for (let index = 0; index < ATTACKERS; index += 1) {
      attackers.push(attacker(`attacker ${index}`, index % 2 === 0 ? near : far));
    }
    const [first] = attackers;
    if (first === undefined) throw new Error('nobody attacks');
    const vandal = attacker('vandal', far);
    const nodeIds = LOCAL_REGIONS.map(({ nodeId }) => nodeId);
    const random = new Random(seed, 'others');
    const started = performance.now();
    const records = { raw, prefix, url, room: scratch, nodes: nodeIds.length, region: near, random, tally, say };
    await breakRecords(records);
    if (tally.violations.length > 0) say(tally.violations.join('\n'));
    say(`records are broken and healed, ${Math.round((performance.now() - started) / 1_000)} s`);
    let told = 0;
    while (tally.sent < frames && tally.violations.length < 20) {
      const slice = Math.min(frames < 20_000 ? 1_000 : 5_000, frames - tally.sent);
      const part = (share: number) => Math.ceil((slice * share) / 1_000);
      const others = SHARES.garbage + SHARES.handshakes + SHARES.bus + SHARES.http;
      const { sessionToken, wsUrl, userToken } = first;
      await Promise.all([
        ...attackers.map((one) => one.sendRequests(part((1_000 - others) / ATTACKERS))),
        busMessages(part(SHARES.bus), { raw, prefix, nodeIds, random, tally }),
        vandal.sendGarbage(part(SHARES.garbage)),
        ...(sessionToken === undefined || wsUrl === undefined || userToken === undefined
          ? []
          : [
              httpRequests(part(SHARES.http), {
                url,
                room: attacked,
                tokens: [userToken, sessionToken],
                random,
                tally,
              }),
              handshakes(part(SHARES.handshakes), { wsUrl, token: sessionToken, random, tally }),
            ]),
      ]);
      if (tally.sent >= told + frames / 20 || tally.sent >= frames) {
        told = tally.sent;
        const sizes = await memory.look();
        const rate = tally.sent / ((performance.now() - started) / 1_000);
        say(`${tally.sent} of ${frames}, ${Math.round(rate)} per second; ${sizes}`);
      }
    }
    // What has gone wrong until here is told, whatever state the cluster is in by now.
    if (frames >= 100_000 && tally.violations.length === 0) await breakRecords(records);
    return { tally, memory: memory.judge(), bystanderPackets: bystanders.packets };
  } finally {
    for (const one of attackers) one.close();
    await bystanders
      ?.stop()
      .catch((error: unknown) => tally.violation(`a bystander could not leave: ${String(error)}`));
    heaps.close();
    raw?.close();
    await cluster.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}
