import {
  CreateSessionReply,
  JoinRoomReply,
  type MediaKind,
  type MediaSource,
  type NotificationName,
  type ReplyData,
  type RequestInput,
  type RequestMethod,
  type RtpParameters,
} from '@meridian/protocol';
import { enterAsGuest, post } from './api.ts';
import { LightConnection } from './light-connection.ts';

export interface LightJoinOptions {
  readonly url: string;
  readonly room: string;
  readonly name: string;
  readonly region?: string;
  /** Of a user who is known already; a new guest is entered without it. */
  readonly userToken?: string;
}

/** A participant that speaks the signalling and moves no media: for counting and for load. */
export class LightParticipant {
  readonly nodeId: string;
  readonly joined: ReplyData<'join'>;
  readonly #connection: LightConnection;
  readonly #counts: ReadonlyMap<NotificationName, number>;

  private constructor(
    connection: LightConnection,
    joined: ReplyData<'join'>,
    counts: ReadonlyMap<NotificationName, number>,
  ) {
    this.nodeId = connection.welcome.nodeId;
    this.joined = joined;
    this.#connection = connection;
    this.#counts = counts;
  }

  /** The whole token chain and the join. @throws MeridianError as the servers answered. */
  static async join(options: LightJoinOptions): Promise<LightParticipant> {
    const userToken = options.userToken ?? (await enterAsGuest(options.url, options.name));
    const session = await post(
      CreateSessionReply,
      `${options.url}/v1/sessions`,
      { room: options.room, ...(options.region === undefined ? {} : { region: options.region }) },
      userToken,
    );
    const counts = new Map<NotificationName, number>();
    const connection = await LightConnection.open({
      wsUrl: session.wsUrl,
      token: session.sessionToken,
      onHeard: ({ event }) => counts.set(event, (counts.get(event) ?? 0) + 1),
    });
    try {
      const place = await post(JoinRoomReply, `${options.url}/v1/rooms/${options.room}/join`, {}, session.sessionToken);
      const joined = await connection.request('join', {
        roomToken: place.roomToken,
        rtpCapabilities: connection.welcome.routerRtpCapabilities,
      });
      return new LightParticipant(connection, joined, counts);
    } catch (error) {
      connection.cut();
      throw error;
    }
  }

  request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<ReplyData<M>> {
    return this.#connection.request(method, data);
  }

  async publish(
    transportId: string,
    kind: MediaKind,
    source: MediaSource,
    rtpParameters: RtpParameters,
  ): Promise<ReplyData<'publish'>> {
    return this.request('publish', { transportId, kind, source, rtpParameters });
  }

  /** Consumers that the node has opened for this participant so far. */
  get consumersOpened(): number {
    return this.told('consumer-opened');
  }

  /** How often the node has said this so far. */
  told(event: NotificationName): number {
    return this.#counts.get(event) ?? 0;
  }

  async leave(): Promise<void> {
    if (!this.#connection.open) return;
    await this.request('leave', {}).catch(() => {});
    await this.#connection.close();
  }
}
