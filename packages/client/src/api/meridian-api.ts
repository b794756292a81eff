import {
  type Coordinates,
  type CreateRoomRequest,
  CreateSessionReply,
  type CreateSessionRequest,
  InvitationReply,
  JoinRoomReply,
  MembersReply,
  MessagesReply,
  NodesReply,
  RoomListReply,
  type RoomSlug,
  RoomView,
  type UpdateRoomRequest,
  UserTokenReply,
  UserView,
} from '@meridian/protocol';
import type { z } from 'zod';
import { browserRuntime, type Runtime } from '../runtime.ts';
import { callJson, callVoid, type HttpCall } from './http.ts';

export interface MeridianApiOptions {
  /** Base of the session service, such as `https://meet.example.org`. */
  readonly serviceUrl: string;
  readonly runtime?: Pick<Runtime, 'fetch' | 'after'>;
}

type Call = Omit<HttpCall, 'url'>;
const roomPath = (slug: RoomSlug) => `/rooms/${encodeURIComponent(slug)}`;

/**
 * The HTTP API of the session service, typed. Every call throws MeridianError with what the service
 * reported, or ClientError (`service-unreachable`, `bad-reply`, `aborted`).
 */
export class MeridianApi {
  readonly serviceUrl: string;
  readonly #runtime: Pick<Runtime, 'fetch' | 'after'>;

  constructor(options: MeridianApiOptions) {
    this.serviceUrl = options.serviceUrl.replace(/\/+$/, '');
    this.#runtime = options.runtime ?? browserRuntime();
  }

  // users

  enterAsGuest(name: string, signal?: AbortSignal): Promise<UserTokenReply> {
    return this.#json('/guests', { method: 'POST', body: { name }, signal }, UserTokenReply);
  }

  register(body: { email: string; password: string; name: string }, signal?: AbortSignal): Promise<UserTokenReply> {
    return this.#json('/users', { method: 'POST', body, signal }, UserTokenReply);
  }

  login(body: { email: string; password: string }, signal?: AbortSignal): Promise<UserTokenReply> {
    return this.#json('/login', { method: 'POST', body, signal }, UserTokenReply);
  }

  me(userToken: string, signal?: AbortSignal): Promise<UserView> {
    return this.#json('/me', { method: 'GET', token: userToken, signal }, UserView);
  }

  /** The answer holds a new user token: names stand in tokens. */
  rename(userToken: string, name: string, signal?: AbortSignal): Promise<UserTokenReply> {
    return this.#json('/me', { method: 'PATCH', token: userToken, body: { name }, signal }, UserTokenReply);
  }

  // rooms

  createRoom(userToken: string, body: z.input<typeof CreateRoomRequest>, signal?: AbortSignal): Promise<RoomView> {
    return this.#json('/rooms', { method: 'POST', token: userToken, body, signal }, RoomView);
  }

  room(slug: RoomSlug, userToken?: string, signal?: AbortSignal): Promise<RoomView> {
    return this.#json(roomPath(slug), { method: 'GET', token: userToken, signal }, RoomView);
  }

  async myRooms(userToken: string, signal?: AbortSignal): Promise<RoomView[]> {
    return (await this.#json('/rooms', { method: 'GET', token: userToken, signal }, RoomListReply)).rooms;
  }

  updateRoom(
    userToken: string,
    slug: RoomSlug,
    body: z.input<typeof UpdateRoomRequest>,
    signal?: AbortSignal,
  ): Promise<RoomView> {
    return this.#json(roomPath(slug), { method: 'PATCH', token: userToken, body, signal }, RoomView);
  }

  deleteRoom(userToken: string, slug: RoomSlug, signal?: AbortSignal): Promise<void> {
    return this.#void(roomPath(slug), { method: 'DELETE', token: userToken, signal });
  }

  /** @param expiresInS seconds until the link stops working */
  invite(
    userToken: string,
    slug: RoomSlug,
    expiresInS?: number,
    signal?: AbortSignal,
  ): Promise<z.output<typeof InvitationReply>> {
    const body = expiresInS === undefined ? {} : { expiresInS };
    return this.#json(
      `${roomPath(slug)}/invitations`,
      { method: 'POST', token: userToken, body, signal },
      InvitationReply,
    );
  }

  acceptInvitation(userToken: string, slug: RoomSlug, invitation: string, signal?: AbortSignal): Promise<RoomView> {
    return this.#json(
      `${roomPath(slug)}/members`,
      { method: 'POST', token: userToken, body: { invitation }, signal },
      RoomView,
    );
  }

  members(userToken: string, slug: RoomSlug, signal?: AbortSignal): Promise<z.output<typeof MembersReply>> {
    return this.#json(`${roomPath(slug)}/members`, { method: 'GET', token: userToken, signal }, MembersReply);
  }

  // calls

  /** Ranked for the caller's place: the given one, else that of the caller's address. */
  nodes(coordinates?: Coordinates, signal?: AbortSignal): Promise<NodesReply> {
    const query = coordinates === undefined ? '' : `?lat=${coordinates.latitude}&lon=${coordinates.longitude}`;
    return this.#json(`/nodes${query}`, { method: 'GET', signal }, NodesReply);
  }

  createSession(userToken: string, body: CreateSessionRequest, signal?: AbortSignal): Promise<CreateSessionReply> {
    return this.#json('/sessions', { method: 'POST', token: userToken, body, signal }, CreateSessionReply);
  }

  /** Authenticated by the session token; the session's WebSocket must be attached by then. */
  joinRoom(sessionToken: string, slug: RoomSlug, signal?: AbortSignal): Promise<JoinRoomReply> {
    return this.#json(
      `${roomPath(slug)}/join`,
      { method: 'POST', token: sessionToken, body: {}, signal },
      JoinRoomReply,
    );
  }

  /** One page of chat, newest last. @param before id of the oldest message that is known already */
  messages(
    userToken: string,
    slug: RoomSlug,
    page: { before?: string | undefined; limit?: number | undefined } = {},
    signal?: AbortSignal,
  ): Promise<MessagesReply> {
    const query = new URLSearchParams();
    if (page.before !== undefined) query.set('before', page.before);
    if (page.limit !== undefined) query.set('limit', String(page.limit));
    const suffix = query.size === 0 ? '' : `?${query}`;
    return this.#json(
      `${roomPath(slug)}/messages${suffix}`,
      { method: 'GET', token: userToken, signal },
      MessagesReply,
    );
  }

  #json<S extends z.ZodType>(path: string, call: Call, schema: S): Promise<z.output<S>> {
    return callJson(this.#runtime, { ...call, url: `${this.serviceUrl}/v1${path}` }, schema);
  }

  #void(path: string, call: Call): Promise<void> {
    return callVoid(this.#runtime, { ...call, url: `${this.serviceUrl}/v1${path}` });
  }
}
