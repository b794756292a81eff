import { randomUUID } from 'node:crypto';
import { type Cluster, openCluster } from '@meridian/cluster';
import { type RedisProcess, startRedis } from '@meridian/harness';
import {
  type DuplicatePolicy,
  type Grants,
  MeridianError,
  NodeId,
  type NotificationData,
  type Participant,
  type ReplyData,
  type ResumePoint,
  RoomId,
  type RtpCapabilities,
  readConfig,
  SessionId,
} from '@meridian/protocol';
import { type NodeConfig, type SfuNode, type StartOptions, settings, startSfuNode } from '@meridian/sfu-node';
import { pino } from 'pino';
import { TestClient } from './client.ts';
import { ISSUER, type SigningOptions, TokenIssuer } from './token-issuer.ts';

export interface NodeOverrides extends Omit<StartOptions, 'config' | 'logger'> {
  readonly env?: Record<string, string>;
}

let nextPipeRange = 0;

/** Redis, an issuer of tokens, and nodes in this process; everything private to one test file. */
export class TestCluster {
  readonly redis: RedisProcess;
  readonly issuer: TokenIssuer;
  readonly cluster: Cluster;
  readonly prefix: string;
  readonly nodes: SfuNode[] = [];

  private constructor(parts: { redis: RedisProcess; issuer: TokenIssuer; cluster: Cluster; prefix: string }) {
    this.redis = parts.redis;
    this.issuer = parts.issuer;
    this.cluster = parts.cluster;
    this.prefix = parts.prefix;
  }

  static async start(): Promise<TestCluster> {
    const [redis, issuer] = await Promise.all([startRedis(), TokenIssuer.start()]);
    const prefix = `test-${randomUUID().slice(0, 8)}:`;
    const cluster = await openCluster({ url: redis.url, keyPrefix: prefix });
    return new TestCluster({ redis, issuer, cluster, prefix });
  }

  nodeIdOf(name: string): NodeId {
    return NodeId.parse(name);
  }

  sessionIdOf(name: string): SessionId {
    return SessionId.parse(name);
  }

  config(nodeId: string, env: Record<string, string> = {}): NodeConfig {
    const first = 21_000 + ((process.pid * 13 + nextPipeRange++) % 200) * 50;
    return readConfig(settings, {
      MERIDIAN_NODE_ID: nodeId,
      MERIDIAN_REGION: `region-of-${nodeId}`,
      MERIDIAN_LATITUDE: '52.37',
      MERIDIAN_LONGITUDE: '4.9',
      MERIDIAN_PUBLIC_WS_URL: `ws://${nodeId}.test/ws`,
      MERIDIAN_PUBLIC_PROBE_URL: `http://${nodeId}.test/probe`,
      MERIDIAN_JWKS_URL: this.issuer.jwksUrl,
      MERIDIAN_ISSUER: ISSUER,
      MERIDIAN_HTTP_PORT: '0',
      // All clients of a test come from one address.
      MERIDIAN_CONNECTIONS_PER_ADDRESS: '0',
      MERIDIAN_ATTEMPTS_PER_MINUTE: '0',
      MERIDIAN_REDIS_URL: this.redis.url,
      MERIDIAN_REDIS_PREFIX: this.prefix,
      MERIDIAN_WORKERS: '1',
      MERIDIAN_RTC_LISTEN_IP: '127.0.0.1',
      MERIDIAN_RTC_PORT: '0',
      // Who is gone is gone, unless a test is about coming back.
      MERIDIAN_RESUME_WINDOW_MS: '0',
      MERIDIAN_PIPE_PORT_MIN: String(first),
      MERIDIAN_PIPE_PORT_MAX: String(first + 49),
      ...env,
    });
  }

  async startNode(nodeId: string, overrides: NodeOverrides = {}): Promise<SfuNode> {
    const { env, ...options } = overrides;
    const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
    const node = await startSfuNode({ config: this.config(nodeId, env), logger, ...options });
    this.nodes.push(node);
    return node;
  }

  /** A WebSocket with this token, welcomed or not. */
  connect(node: Pick<SfuNode, 'url'>, token: string): TestClient {
    return TestClient.withToken(node.url, token);
  }

  /** Attaches a session: the WebSocket is open and welcomed. */
  async attach(
    node: Pick<SfuNode, 'url'>,
    nodeId: string,
    sessionId: string = `s-${randomUUID().slice(0, 8)}`,
    options: { userId?: string; ver?: number; headers?: Record<string, string>; signing?: SigningOptions } = {},
  ): Promise<Attached> {
    const token = await this.issuer.session(
      {
        sessionId,
        nodeId,
        ...(options.userId === undefined ? {} : { userId: options.userId }),
        ...(options.ver === undefined ? {} : { ver: options.ver }),
      },
      options.signing,
    );
    const client = TestClient.withToken(node.url, token, options.headers);
    const welcome = await client.until('welcome');
    return { client, sessionId: SessionId.parse(sessionId), nodeId: NodeId.parse(nodeId), welcome };
  }

  /** A new connection for somebody whose connection was lost; from `point` on, where it left off by default. */
  async resume(
    node: Pick<SfuNode, 'url'>,
    attached: Attached,
    point: Partial<ResumePoint> = {},
    signing?: SigningOptions,
  ): Promise<TestClient> {
    const { client, sessionId, nodeId, welcome } = attached;
    const token = await this.issuer.session({ sessionId, nodeId }, signing);
    const named = { epoch: point.epoch ?? welcome.epoch, seq: point.seq ?? client.lastSeq };
    return TestClient.resuming(node.url, token, named, { nextId: client.nextId });
  }

  /** What `POST /v1/rooms/:slug/join` does: reserves the place and signs a room token. */
  async roomToken(
    attached: Attached,
    roomId: RoomId,
    options: {
      grants?: Grants;
      duplicates?: DuplicatePolicy;
      capacity?: number;
      jti?: string;
      signing?: SigningOptions;
    } = {},
  ): Promise<string> {
    const lease = await this.cluster.leases.find(attached.nodeId, attached.sessionId);
    if (lease === undefined) throw new MeridianError('session-not-attached');
    const admission = await this.cluster.rooms.admit({
      roomId,
      lease,
      capacity: options.capacity ?? 50,
      duplicates: options.duplicates ?? 'allow',
    });
    if (!admission.admitted) throw new MeridianError('room-full', { message: admission.reason });
    return await this.issuer.room(
      {
        lease,
        roomId,
        ...(options.grants === undefined ? {} : { grants: options.grants }),
        ...(options.jti === undefined ? {} : { jti: options.jti }),
      },
      options.signing,
    );
  }

  /** Attach, reserve, join. */
  async join(
    node: Pick<SfuNode, 'url'>,
    nodeId: string,
    roomId: RoomId,
    options: {
      sessionId?: string;
      userId?: string;
      ver?: number;
      grants?: Grants;
      autoSubscribe?: boolean;
      rtpCapabilities?: RtpCapabilities;
      /** Moves the session here from the node it is on. */
      handover?: boolean;
    } = {},
  ): Promise<Joined> {
    const attached = await this.attach(node, nodeId, options.sessionId, {
      ...(options.userId === undefined ? {} : { userId: options.userId }),
      ...(options.ver === undefined ? {} : { ver: options.ver }),
    });
    const roomToken = await this.roomToken(
      attached,
      roomId,
      options.grants === undefined ? {} : { grants: options.grants },
    );
    const joined = await attached.client.request('join', {
      roomToken,
      rtpCapabilities: options.rtpCapabilities ?? attached.welcome.routerRtpCapabilities,
      autoSubscribe: options.autoSubscribe ?? true,
      handover: options.handover ?? false,
    });
    return { ...attached, joined };
  }

  /** As whom the room's state has this session, if it has it. */
  async participantOf(roomId: RoomId, { sessionId }: Pick<Attached, 'sessionId'>): Promise<Participant | undefined> {
    const { participants } = await this.cluster.rooms.snapshot(roomId);
    return participants.find((one) => one.sessionId === sessionId);
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
    await this.cluster.close();
    await this.issuer.stop();
    await this.redis.stop();
  }
}

export interface Attached {
  readonly client: TestClient;
  readonly sessionId: SessionId;
  readonly nodeId: NodeId;
  readonly welcome: NotificationData<'welcome'>;
}

export interface Joined extends Attached {
  readonly joined: ReplyData<'join'>;
}

export const roomId = (name: string): RoomId => RoomId.parse(`${name}-${randomUUID().slice(0, 8)}`);
