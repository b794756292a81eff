import type { MediaSource, NodeId } from '@meridian/protocol';
import { type Context, type ContextOptions, createContext } from './context.ts';
import { isSdkError, type SdkError, toSdkError } from './errors.ts';
import { withUserToken } from './identity.ts';
import type { VideoCodec } from './media/encodings.ts';
import { measuredRtts, type Preparation } from './prepare.ts';
import type { MeasuredRtt } from './probing.ts';
import { type Attached, attach, enterRoom } from './room/attach.ts';
import { blamesNode } from './room/ending.ts';
import { Room } from './room/room.ts';
import { Stopwatch } from './room/timings.ts';
import { pause } from './runtime.ts';
import type { Ready } from './stand-by.ts';

export interface TrackToPublish {
  readonly source: MediaSource;
  readonly track: MediaStreamTrack;
  readonly muted?: boolean;
  readonly videoCodec?: VideoCodec | undefined;
  /** For a camera: false sends one layer, whatever its size; default true. */
  readonly simulcast?: boolean | undefined;
}

export interface JoinOptions extends ContextOptions {
  /** What `prepare` has begun: saves the time of finding a node. */
  readonly preparation?: Preparation | undefined;
  /** Published in the same breath as the join. */
  readonly tracks?: readonly TrackToPublish[] | undefined;
  /** Labels of data channels to open at once; others are opened by their first message. */
  readonly dataLabels?: readonly string[] | undefined;
  /** For all video that is published without a codec of its own; default VP8. See `PublishOptions`. */
  readonly videoCodec?: VideoCodec | undefined;
  /** Receive everything that is published; default true. */
  readonly autoSubscribe?: boolean | undefined;
  /** An invitation to a private room; default: the one in the fragment of the URL. */
  readonly invitation?: string | undefined;
}

/** Pauses before further tries of a first join, milliseconds: a person is looking at a spinner. */
const RETRY_MS = [100, 400, 1_200] as const;

/**
 * Joins a room by its address, such as `https://meet.example.org/r/weekly`: finds a node, attaches to
 * it, joins, and publishes. When the chosen node does not answer, another one is asked for.
 * @throws MeridianError what the service or the node said, such as `room-full` or `no-healthy-node`
 * @throws ClientError `service-unreachable`, `node-unreachable`, `browser-unsupported`, `aborted`, ...
 */
export async function join(url: string | URL, options: JoinOptions = {}): Promise<Room> {
  const { preparation, signal } = options;
  const context = contextOf(url, options);
  const watch = new Stopwatch(context.runtime.now);
  const known = preparation !== undefined || typeof options.userToken === 'string';
  const [rtts, userToken] = await Promise.all([
    measuredRtts(context, preparation, signal, watch),
    watch.step('user', { roundTrips: known ? 0 : 1 }, () => context.userTokens({ renew: false, signal })),
  ]);
  await acceptInvitation(context, options, watch);
  const autoSubscribe = options.autoSubscribe ?? true;
  const how = { rtts, autoSubscribe, watch, signal };
  const standing = await fromStandBy(context, await preparation?.takeStandBy(userToken), how);
  const attached = standing ?? (await firstAttachment(context, how));
  watch.mark('joined');
  const { dataLabels = [], videoCodec } = options;
  const room = new Room({ context, attached, rtts, autoSubscribe, dataLabels, videoCodec, watch });
  for (const { source, track, muted, videoCodec: own, simulcast } of options.tracks ?? []) {
    // A refusal shows in the publication's state; the room can be used without it.
    room.publish(source, track, { muted: muted ?? false, videoCodec: own, simulcast }).catch(() => {});
  }
  return room;
}

/** A guest who was entered by the preparation is not entered again. */
function contextOf(url: string | URL, options: JoinOptions): Context {
  const context = createContext(url, options);
  const prepared = options.preparation?.context;
  const sameGuest = context.guestName !== undefined && context.guestName === prepared?.guestName;
  return sameGuest && prepared ? { ...context, userTokens: prepared.userTokens } : context;
}

async function acceptInvitation(context: Context, options: JoinOptions, watch: Stopwatch): Promise<void> {
  const { address, api, userTokens } = context;
  const invitation = options.invitation ?? address.invitation;
  if (invitation === undefined) return;
  const { signal } = options;
  await watch.step('invitation', { roundTrips: 1, after: ['user'] }, () =>
    withUserToken(userTokens, signal, (token) => api.acceptInvitation(token, address.slug, invitation, signal)),
  );
}

interface How {
  readonly rtts: readonly MeasuredRtt[];
  readonly autoSubscribe: boolean;
  readonly watch: Stopwatch;
  readonly signal: AbortSignal | undefined;
}

/** The short way, where a session stands by; undefined where there is none, or it was of no use any more. */
async function fromStandBy(context: Context, ready: Ready | undefined, how: How): Promise<Attached | undefined> {
  if (ready === undefined) return undefined;
  const { loadedDevice, opened } = ready;
  try {
    return await enterRoom(opened, 'stand-by', { ...how, context, loadedDevice });
  } catch (thrown) {
    const failure = toSdkError(thrown);
    if (!deservesRetry(failure)) throw failure;
    return undefined;
  }
}

async function firstAttachment(context: Context, how: How): Promise<Attached> {
  const { runtime } = context;
  const previousSessionToken = context.handover.take();
  const avoid: NodeId[] = [];
  for (let tries = 0; ; tries += 1) {
    let tried: NodeId | undefined;
    let failure: SdkError;
    try {
      return await attach({
        ...how,
        context,
        avoid,
        region: context.region,
        rtts: how.rtts.filter(({ nodeId }) => !avoid.includes(nodeId)),
        previousSessionToken,
        loadedDevice: undefined,
        onNode: (nodeId) => {
          tried = nodeId;
        },
      });
    } catch (thrown) {
      failure = toSdkError(thrown);
    }
    const retryMs = RETRY_MS[tries];
    if (retryMs === undefined || !deservesRetry(failure)) {
      // The next attempt of this page is to have it, too.
      if (previousSessionToken !== undefined) context.handover.put(previousSessionToken);
      throw failure;
    }
    if (tried !== undefined && blamesNode(failure)) avoid.push(tried);
    await pause(runtime, retryMs, how.signal);
  }
}

/** Between session and join the world may move on: a node goes, a place or a lease expires. */
const deservesRetry = (failure: SdkError): boolean =>
  blamesNode(failure) ||
  isSdkError(failure, 'session-not-attached', 'place-expired', 'session-lost', 'token-replayed', 'session-replaced');
