import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, openCluster } from '@meridian/cluster';
import { type RedisProcess, startRedis } from '@meridian/harness';
import {
  CreateSessionReply,
  type ErrorCode,
  ErrorReply,
  InvitationReply,
  JoinRoomReply,
  NodeId,
  type NodeRecord,
  parseOrThrow,
  Region,
  RoomView,
  type SessionLease,
  SessionTokenClaims,
  UserTokenReply,
} from '@meridian/protocol';
import { decodeJwt } from 'jose';
import { pino } from 'pino';
import type { z } from 'zod';
import type { PasswordHasher } from '../src/accounts/passwords.ts';
import { loadConfig, type SessionApi, startSessionApi } from '../src/index.ts';
import type { Locate } from '../src/location/geoip.ts';

let prefixes = 0;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface CallOptions {
  token?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface RigOptions {
  redis: RedisProcess;
  env?: Record<string, string>;
  locate?: Locate;
  /** The folder, keys and Redis prefix of another rig: a second instance of the same service. */
  beside?: Rig;
}

/** Passwords without argon2's cost, counted. */
export class CountingHasher implements PasswordHasher {
  verifications = 0;
  hashes = 0;

  hash = async (password: string) => {
    this.hashes += 1;
    // Of the form that says which parameters were used, with the password where the digest stands.
    const salt = Buffer.from('saltsaltsaltsalt').toString('base64').replace(/=+$/, '');
    const digest = Buffer.from(password).toString('base64').replace(/=+$/, '');
    return `$argon2id$v=19$m=19456,t=2,p=1$${salt}$${digest}`;
  };

  verify = async (hash: string, password: string) => {
    this.verifications += 1;
    return Buffer.from(hash.split('$').at(-1) ?? '', 'base64').toString() === password;
  };
}

/** A running service on a real Redis and a real SQLite file, with a clock that tests move. */
export class Rig {
  readonly api: SessionApi;
  readonly dir: string;
  readonly redis: RedisProcess;
  readonly prefix: string;
  readonly publicUrl: string;
  readonly hasher: CountingHasher;
  readonly clock: { offsetMs: number; now(): number };
  readonly log: string[];
  readonly #clusters: Cluster[] = [];

  private constructor(parts: Pick<Rig, 'api' | 'dir' | 'redis' | 'prefix' | 'publicUrl' | 'hasher' | 'clock' | 'log'>) {
    this.api = parts.api;
    this.dir = parts.dir;
    this.redis = parts.redis;
    this.prefix = parts.prefix;
    this.publicUrl = parts.publicUrl;
    this.hasher = parts.hasher;
    this.clock = parts.clock;
    this.log = parts.log;
  }

  static async start({ redis, env = {}, locate, beside }: RigOptions): Promise<Rig> {
    prefixes += 1;
    const dir = beside?.dir ?? (await mkdtemp(join(tmpdir(), 'meridian-api-')));
    const prefix = beside?.prefix ?? `test-${process.pid}-${prefixes}:`;
    const publicUrl = env.MERIDIAN_PUBLIC_URL ?? 'https://meet.example.org';
    const clock = { offsetMs: 0, now: () => Date.now() + clock.offsetMs };
    const hasher = new CountingHasher();
    const log: string[] = [];
    const api = await startSessionApi({
      config: loadConfig({
        MERIDIAN_HTTP_PORT: '0',
        MERIDIAN_REDIS_URL: redis.url,
        MERIDIAN_REDIS_PREFIX: prefix,
        MERIDIAN_STORE: `sqlite:${join(dir, 'meridian.sqlite')}`,
        MERIDIAN_KEYS_DIR: join(dir, 'keys'),
        MERIDIAN_PUBLIC_URL: publicUrl,
        MERIDIAN_GEOIP_DB: 'none',
        MERIDIAN_KEYS_REFRESH_MS: '50',
        ...env,
      }),
      logger: pino({ level: 'trace' }, { write: (line: string) => void log.push(line) }),
      clock,
      hasher,
      ...(locate === undefined ? {} : { locate }),
    });
    return new Rig({ api, dir, redis, prefix, publicUrl, hasher, clock, log });
  }

  /** The cluster as a node sees it. */
  async cluster(): Promise<Cluster> {
    const cluster = await openCluster({ url: this.redis.url, keyPrefix: this.prefix });
    this.#clusters.push(cluster);
    return cluster;
  }

  async stop(): Promise<void> {
    await this.api.close();
    for (const cluster of this.#clusters) await cluster.close();
    await rm(this.dir, { recursive: true, force: true });
  }

  async call(method: string, path: string, { token, body, headers = {} }: CallOptions = {}): Promise<Answer> {
    const response = await fetch(`${this.api.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false;
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  /** A call that has to succeed. */
  async ok<S extends z.ZodType>(
    schema: S,
    method: string,
    path: string,
    options: CallOptions = {},
  ): Promise<z.output<S>> {
    const { status, body } = await this.call(method, path, options);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
    return parseOrThrow(schema, body, 'internal', `${method} ${path}`);
  }

  /** A call that has to be refused: its status and error. */
  async refused(method: string, path: string, options: CallOptions = {}) {
    const { status, body, headers } = await this.call(method, path, options);
    if (status < 400) throw new Error(`${method} ${path} was not refused: ${status}`);
    const { error } = parseOrThrow(ErrorReply, body, 'internal', `${method} ${path}`);
    return { status, headers, ...error };
  }

  async codeOf(method: string, path: string, options: CallOptions = {}): Promise<ErrorCode> {
    return (await this.refused(method, path, options)).code;
  }

  guest(name = 'Guest'): Promise<UserTokenReply> {
    return this.ok(UserTokenReply, 'POST', '/v1/guests', { body: { name } });
  }

  account(
    name = 'Ann',
    email = `${name.toLowerCase()}@example.org`,
    password = 'correct horse',
  ): Promise<UserTokenReply> {
    return this.ok(UserTokenReply, 'POST', '/v1/users', { body: { name, email, password } });
  }

  room(token: string, body: Record<string, unknown> = {}): Promise<RoomView> {
    return this.ok(RoomView, 'POST', '/v1/rooms', { token, body });
  }

  invitation(token: string, slug: string, body: Record<string, unknown> = {}) {
    return this.ok(InvitationReply, 'POST', `/v1/rooms/${slug}/invitations`, { token, body });
  }

  session(token: string, body: Record<string, unknown> = {}): Promise<CreateSessionReply> {
    return this.ok(CreateSessionReply, 'POST', '/v1/sessions', { token, body });
  }

  join(sessionToken: string, slug: string): Promise<JoinRoomReply> {
    return this.ok(JoinRoomReply, 'POST', `/v1/rooms/${slug}/join`, { token: sessionToken, body: {} });
  }
}

export interface NodeSketch {
  region?: string;
  latitude?: number;
  longitude?: number;
  sessions?: number;
  maxSessions?: number;
  state?: NodeRecord['state'];
}

export const aNodeRecord = (
  id: string,
  {
    region = 'eu-west',
    latitude = 52.4,
    longitude = 4.9,
    sessions = 0,
    maxSessions = 500,
    state = 'ready',
  }: NodeSketch = {},
): NodeRecord => ({
  nodeId: NodeId.parse(id),
  incarnation: `incarnation-of-${id}`,
  region: Region.parse(region),
  regionName: region,
  coordinates: { latitude, longitude },
  wsUrl: `wss://${id}.example.org/ws`,
  probeUrl: `https://${id}.example.org/probe`,
  version: '0.1.0',
  state,
  load: { sessions, maxSessions, consumers: 0, workers: 1, rooms: 0, workerCpu: 0 },
  startedAtMs: 0,
});

/** What a node does when the WebSocket of that session attaches. */
export async function attach(cluster: Cluster, sessionToken: string): Promise<SessionLease> {
  const claims = SessionTokenClaims.parse(decodeJwt(sessionToken));
  return cluster.leases.attach({
    sessionId: claims.sid,
    userId: claims.sub,
    name: claims.name,
    nodeId: claims.aud,
    region: Region.parse('eu-west'),
    roomHint: claims.roomHint,
  });
}

export { startRedis };
