import { type Coordinates, MeridianError, type Region, Region as RegionSchema } from '@meridian/protocol';
import { MeridianApi } from './api/meridian-api.ts';
import { fixedToken, guestTokens, type UserTokenSource } from './identity.ts';
import type { MeasuredRtt } from './probing.ts';
import { parseRoomUrl, type RoomAddress } from './room-url.ts';
import { browserRuntime, type Runtime } from './runtime.ts';
import { type KeyValueStore, SessionHandover, tabStore } from './storage.ts';

/** What `prepare` and `join` both take. */
export interface ContextOptions {
  /** Who joins: a user token, or a function that gives (and renews) one. Without it: a guest called `name`. */
  readonly userToken?: string | UserTokenSource | undefined;
  /** Name of the guest; default `Guest`. */
  readonly name?: string | undefined;
  /** Only nodes of this region, such as `ap-southeast`; for trying things out. */
  readonly region?: string | undefined;
  /** Where the client is, if that is known better than by its address. */
  readonly coordinates?: Coordinates | undefined;
  /** Told of every better round trip time while nodes are measured. */
  readonly onProbe?: ((measured: MeasuredRtt) => void) | undefined;
  /** Where a page leaves its session for the page after a reload; default `sessionStorage`. */
  readonly store?: KeyValueStore | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly runtime?: Runtime | undefined;
}

/** The options as the rest of the SDK works with them. */
export interface Context {
  readonly address: RoomAddress;
  readonly api: MeridianApi;
  readonly runtime: Runtime;
  readonly userTokens: UserTokenSource;
  /** Set when the user is a guest of the SDK's own making. */
  readonly guestName: string | undefined;
  readonly region: Region | undefined;
  readonly coordinates: Coordinates | undefined;
  readonly onProbe: ((measured: MeasuredRtt) => void) | undefined;
  readonly handover: SessionHandover;
}

/**
 * @throws ClientError `room-url-invalid`
 * @throws MeridianError `region-unavailable` when the region is no region's label at all
 */
export function createContext(url: string | URL, options: ContextOptions): Context {
  const address = parseRoomUrl(url);
  const runtime = options.runtime ?? browserRuntime();
  const api = new MeridianApi({ serviceUrl: address.serviceUrl, runtime });
  const region = options.region === undefined ? undefined : RegionSchema.safeParse(options.region);
  if (region?.success === false) throw new MeridianError('region-unavailable', { cause: region.error });
  const { userToken } = options;
  const guestName = options.name ?? 'Guest';
  return {
    address,
    api,
    runtime,
    userTokens: tokensOf(api, userToken, guestName),
    guestName: userToken === undefined ? guestName : undefined,
    region: region?.data,
    coordinates: options.coordinates,
    onProbe: options.onProbe,
    handover: new SessionHandover(options.store ?? tabStore(), address.slug),
  };
}

function tokensOf(api: MeridianApi, given: ContextOptions['userToken'], guestName: string): UserTokenSource {
  if (typeof given === 'function') return given;
  return given === undefined ? guestTokens(api, guestName) : fixedToken(given);
}
