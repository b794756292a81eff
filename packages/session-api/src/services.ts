import type { Cluster } from '@meridian/cluster';
import type { Store } from '@meridian/store';
import type { Passwords } from './accounts/passwords.ts';
import type { Clock } from './clock.ts';
import type { SessionApiConfig } from './config.ts';
import type { Auth } from './http/auth.ts';
import type { Leaving } from './http/leaving.ts';
import type { Ids, Randomness } from './ids.ts';
import type { Limiter } from './limits/limiter.ts';
import type { SharedAttempts } from './limits/shared-attempts.ts';
import type { SharedCounter } from './limits/shared-counter.ts';
import type { Locate } from './location/geoip.ts';
import type { Metrics } from './metrics.ts';
import type { RoomAccess } from './rooms/access.ts';
import type { Eviction } from './rooms/eviction.ts';
import type { RoomNaming } from './rooms/naming.ts';
import type { Placer } from './sessions/placer.ts';
import type { Revoker } from './sessions/revoker.ts';
import type { StoreWatch } from './store/store-watch.ts';
import type { TokenIssuer } from './tokens/issue.ts';
import type { KeyRing } from './tokens/key-ring.ts';
import type { TokenVerifier } from './tokens/verify.ts';

/** What the routes work with; put together in service.ts. */
export interface Services {
  readonly leaving: Leaving;
  readonly config: SessionApiConfig;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly ids: Ids;
  readonly store: Store;
  readonly storeWatch: StoreWatch;
  readonly cluster: Cluster;
  readonly keys: KeyRing;
  readonly issuer: TokenIssuer;
  readonly verifier: TokenVerifier;
  readonly auth: Auth;
  readonly passwords: Passwords;
  readonly attempts: { readonly login: SharedAttempts; readonly register: SharedAttempts };
  readonly limiter: Limiter;
  /** Per user and minute. */
  readonly perUser: { readonly sessions: SharedCounter; readonly joins: SharedCounter };
  readonly rooms: RoomAccess;
  readonly naming: RoomNaming;
  readonly eviction: Eviction;
  readonly placer: Placer;
  readonly revoker: Revoker;
  readonly locate: Locate;
  readonly metrics: Metrics;
}
