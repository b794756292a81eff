import type { Coordinates, NodeCandidate } from '@meridian/protocol';
import { MeridianApi } from './api/meridian-api.ts';
import { type Context, type ContextOptions, createContext } from './context.ts';
import { isSdkError } from './errors.ts';
import { type MeasuredRtt, probeNodes, toProbe } from './probing.ts';
import { Stopwatch } from './room/timings.ts';
import { browserRuntime } from './runtime.ts';
import { type Ready, StandBy } from './stand-by.ts';

/** What can be known before anybody decides to join. */
export interface Surroundings {
  /** Best first, as the service ranks them. */
  readonly candidates: readonly NodeCandidate[];
  readonly location: Coordinates | null;
  /** Fastest first. */
  readonly rtts: readonly MeasuredRtt[];
  /** The node that answered fastest. At the join the service decides, by load and by room too. */
  readonly nearest: { readonly node: NodeCandidate; readonly rttMs: number } | null;
}

/** Looking around, begun ahead of a join; see `prepare`. */
export class Preparation {
  /** Rejects with what kept it from finding out, such as MeridianError `cluster-unavailable`. */
  readonly surroundings: Promise<Surroundings>;
  /** By the runtime's clock, milliseconds. */
  readonly startedAtMs: number;
  readonly context: Context;
  readonly #standBy: StandBy;

  constructor(context: Context, signal: AbortSignal | undefined) {
    this.context = context;
    this.startedAtMs = context.runtime.now();
    this.surroundings = lookAround(context, signal);
    // What is wrong is met again by the join, which reports it.
    this.surroundings.catch(() => {});
    this.#standBy = new StandBy(context);
    signal?.addEventListener('abort', () => this.close(), { once: true });
  }

  /**
   * Chooses the node and connects to it ahead of the join, once it is clear who will join: two round
   * trips are left then between a click and the room. The node keeps a place for two minutes at most;
   * after that, and when the user is another one by then, the join goes all the way itself.
   */
  standBy(): void {
    this.#standBy.open(
      this.surroundings.then(
        ({ rtts }) => rtts,
        () => [],
      ),
    );
  }

  /** For `join`: the session that stands by for this user, if there is one. */
  takeStandBy(userToken: string): Promise<Ready | undefined> {
    return this.#standBy.take(userToken);
  }

  /** Idempotent. Gives back what stands by. */
  close(): void {
    this.#standBy.close();
  }
}

/** Round trip times older than this are measured anew. Milliseconds. */
export const FRESH_FOR_MS = 180_000;
/** One that opens the connection and three samples. */
const PROBE_ROUND_TRIPS = 4;

/**
 * Does ahead of a join what needs no decision: fetches the user token and the list of nodes and
 * measures the way to the best few. Passed to `join` as `preparation` it leaves four round trips
 * between a click and the room, two when it was told to `standBy` in time.
 * @throws ClientError `room-url-invalid`; MeridianError `region-unavailable`
 */
export function prepare(url: string | URL, options: ContextOptions = {}): Preparation {
  const context = createContext(url, options);
  // The join asks again, and reports what is wrong then.
  context.userTokens({ renew: false, signal: options.signal }).catch(() => {});
  return new Preparation(context, options.signal);
}

/**
 * The cluster's nodes and the way to the best few, without any room in mind.
 * @param serviceUrl base of the session service, such as `https://meet.example.org`
 * @throws what the service answered; ClientError `service-unreachable`, `aborted`
 */
export function discover(
  serviceUrl: string,
  options: Pick<ContextOptions, 'coordinates' | 'onProbe' | 'signal' | 'runtime'> = {},
): Promise<Surroundings> {
  const { coordinates, onProbe, signal, runtime = browserRuntime() } = options;
  const api = new MeridianApi({ serviceUrl, runtime });
  return lookAround({ api, runtime, coordinates, onProbe, region: undefined }, signal);
}

/** @throws what the service answered; ClientError `service-unreachable`, `aborted` */
async function lookAround(
  context: Pick<Context, 'api' | 'runtime' | 'coordinates' | 'onProbe' | 'region'>,
  signal: AbortSignal | undefined,
  watch: Stopwatch = new Stopwatch(context.runtime.now),
): Promise<Surroundings> {
  const { api, coordinates, region, runtime } = context;
  const reply = await watch.step('nodes', { roundTrips: 1 }, () => api.nodes(coordinates, signal));
  const chosen = toProbe(reply.nodes, reply.probe, { region });
  const rtts = await watch.step('probe', { roundTrips: PROBE_ROUND_TRIPS, after: ['nodes'] }, () =>
    probeNodes(runtime, chosen, { signal, onMeasured: context.onProbe }),
  );
  const best = rtts[0];
  const node = reply.nodes.find((candidate) => candidate.nodeId === best?.nodeId);
  return {
    candidates: reply.nodes,
    location: reply.location,
    rtts,
    nearest: best === undefined || node === undefined ? null : { node, rttMs: best.rttMs },
  };
}

/**
 * The measured round trip times of a preparation that is good still, else of a new look around. One
 * that fails leaves the choice to what the service knows, and lets it say what is wrong.
 * @throws ClientError `aborted`
 */
export async function measuredRtts(
  context: Context,
  preparation: Preparation | undefined,
  signal: AbortSignal | undefined,
  watch: Stopwatch,
): Promise<readonly MeasuredRtt[]> {
  try {
    if (preparation !== undefined && context.runtime.now() - preparation.startedAtMs < FRESH_FOR_MS) {
      const found = await watch.step('prepare', { roundTrips: 0 }, () => preparation.surroundings);
      return found.rtts;
    }
    return (await lookAround(context, signal, watch)).rtts;
  } catch (error) {
    if (isSdkError(error, 'aborted') && signal?.aborted) throw error;
    return [];
  }
}
