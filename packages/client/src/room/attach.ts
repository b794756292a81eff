import type { CreateSessionReply, JoinRoomReply, NodeId, Region, ReplyData } from '@meridian/protocol';
import type { Device } from 'mediasoup-client';
import type { Context } from '../context.ts';
import { throwIfAborted } from '../errors.ts';
import { withUserToken } from '../identity.ts';
import { toDeviceCapabilities } from '../media/wire.ts';
import type { MeasuredRtt } from '../probing.ts';
import { SignallingConnection, type Welcome } from '../signalling/connection.ts';
import type { Stopwatch } from './timings.ts';

/** mediasoup-client's device, and for which router capabilities it was loaded. */
export interface LoadedDevice {
  readonly device: Device;
  readonly key: string;
}

export interface OpenInput {
  readonly context: Context;
  readonly rtts: readonly MeasuredRtt[];
  readonly region: Region | undefined;
  readonly avoid: readonly NodeId[];
  readonly previousSessionToken: string | undefined;
  readonly watch: Stopwatch;
  readonly signal: AbortSignal | undefined;
  /** Told which node the service chose, before anything is tried there. */
  readonly onNode: (nodeId: NodeId) => void;
}

export interface EnterInput {
  readonly context: Context;
  readonly autoSubscribe: boolean;
  /** The session's participant is taken over from another node, whose media goes on beside. */
  readonly handover?: boolean;
  /** Of an earlier attachment; used again where it fits. */
  readonly loadedDevice: LoadedDevice | undefined;
  readonly watch: Stopwatch;
  readonly signal: AbortSignal | undefined;
}

/** A session that is attached to its node and in no room yet. */
export interface OpenedSession {
  readonly session: CreateSessionReply;
  readonly connection: SignallingConnection;
  /** In whose name it was opened. */
  readonly userToken: string;
}

/** A session that is attached to its node and has joined its room. */
export interface Attached {
  readonly session: CreateSessionReply;
  readonly connection: SignallingConnection;
  readonly loadedDevice: LoadedDevice;
  readonly place: JoinRoomReply;
  readonly joined: ReplyData<'join'>;
}

/**
 * One attempt to get into the room: session, WebSocket, room token, join. Four round trips follow one
 * another; the device is loaded beside the third.
 * @throws what the service or the node answered; ClientError on the way there
 */
export const attach = async (input: OpenInput & EnterInput): Promise<Attached> =>
  enterRoom(await openSession(input), 'connect', input);

/** The first half: a node, and the WebSocket to it. */
export async function openSession(input: OpenInput): Promise<OpenedSession> {
  const { context, watch, signal } = input;
  const { api, runtime, address, userTokens, coordinates } = context;
  const before = ['prepare', 'user', 'invitation', 'probe'] as const;
  let usedToken = '';
  const session = await watch.step('session', { roundTrips: 1, after: before }, () =>
    withUserToken(userTokens, signal, (userToken) => {
      usedToken = userToken;
      return api.createSession(
        userToken,
        {
          rtts: input.rtts.slice(0, 64),
          room: address.slug,
          avoid: input.avoid.slice(-8),
          ...(coordinates === undefined ? {} : { coordinates }),
          ...(input.region === undefined ? {} : { region: input.region }),
          ...(input.previousSessionToken === undefined ? {} : { previousSessionToken: input.previousSessionToken }),
        },
        signal,
      );
    }),
  );
  input.onNode(session.decision.nodeId);
  const connection = await watch.step('connect', { roundTrips: 1, after: ['session'] }, () =>
    SignallingConnection.open({ runtime, wsUrl: session.wsUrl, sessionToken: session.sessionToken, signal }),
  );
  return { session, connection, userToken: usedToken };
}

/**
 * The second half: a place in the room, and the join. Closes the connection when it fails.
 * @param after the step that this one follows
 */
export async function enterRoom(
  { session, connection }: OpenedSession,
  after: 'connect' | 'stand-by',
  input: EnterInput,
): Promise<Attached> {
  const { context, watch, signal } = input;
  try {
    const [place, loadedDevice] = await Promise.all([
      watch.step('room-token', { roundTrips: 1, after: [after] }, () =>
        context.api.joinRoom(session.sessionToken, context.address.slug, signal),
      ),
      watch.step('device', { roundTrips: 0, after: [after] }, () =>
        loadDevice(context, connection.welcome, input.loadedDevice),
      ),
    ]);
    const joined = await watch.step('join', { roundTrips: 1, after: ['room-token', 'device'] }, () =>
      connection.request(
        'join',
        {
          roomToken: place.roomToken,
          room: place.room.slug,
          rtpCapabilities: loadedDevice.device.recvRtpCapabilities,
          autoSubscribe: input.autoSubscribe,
          ...(input.handover === true ? { handover: true } : {}),
        },
        { signal },
      ),
    );
    throwIfAborted(signal);
    return { session, connection, loadedDevice, place, joined };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** @throws ClientError `browser-unsupported` */
export async function loadDevice(
  { runtime }: Pick<Context, 'runtime'>,
  { routerRtpCapabilities }: Welcome,
  earlier?: LoadedDevice,
): Promise<LoadedDevice> {
  const key = JSON.stringify(routerRtpCapabilities);
  if (earlier?.key === key) return earlier;
  const device = runtime.createDevice();
  await device.load({ routerRtpCapabilities: toDeviceCapabilities(routerRtpCapabilities) });
  return { device, key };
}
