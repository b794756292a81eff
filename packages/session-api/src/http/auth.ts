import { MeridianError, type SessionTokenClaims, type UserId } from '@meridian/protocol';
import type { User } from '@meridian/store';
import type { FastifyRequest } from 'fastify';
import type { LastKnown } from '../store/last-known.ts';
import type { RevokedLately } from '../store/revoked-lately.ts';
import type { TokenVerifier } from '../tokens/verify.ts';

/** Who a user token speaks for. */
export interface Caller {
  readonly userId: UserId;
  readonly kind: 'account' | 'guest';
  readonly name: string;
  /** The account's current token version; 0 for guests. */
  readonly tokenVersion: number;
  /** undefined for guests. */
  readonly email: string | undefined;
}

export interface AuthOptions {
  readonly verifier: TokenVerifier;
  readonly known: Pick<LastKnown, 'user'>;
  readonly revoked: Pick<RevokedLately, 'isRevoked'>;
}

/**
 * Checks the bearer token before a request's body is looked at. Accounts are read from the store at
 * every use, so that a token that was revoked (password changed, logged out everywhere) ends at once. Guests
 * have no record: their tokens end by time alone. While the store is away an account is judged by what was read last and by
 * the marks of those who were logged out everywhere.
 */
export class Auth {
  readonly #options: AuthOptions;
  readonly #callers = new WeakMap<FastifyRequest, Caller>();
  readonly #sessions = new WeakMap<FastifyRequest, SessionTokenClaims>();

  constructor(options: AuthOptions) {
    this.#options = options;
  }

  /** A hook. @throws MeridianError `unauthenticated`, `token-*` */
  readonly requireUser = async (request: FastifyRequest): Promise<void> => {
    const claims = await this.#options.verifier.user(bearerOf(request));
    if (claims.kind === 'guest') {
      const caller: Caller = {
        userId: claims.sub,
        kind: 'guest',
        name: claims.name,
        tokenVersion: 0,
        email: undefined,
      };
      this.#callers.set(request, caller);
      return;
    }
    const user = await this.#current(claims.sub, claims.ver);
    this.#callers.set(request, {
      userId: user.userId,
      kind: 'account',
      name: user.name,
      tokenVersion: user.tokenVersion,
      email: user.email,
    });
  };

  /** A hook. @throws MeridianError `unauthenticated`, `token-*` */
  readonly requireSession = async (request: FastifyRequest): Promise<void> => {
    const claims = await this.#options.verifier.session(bearerOf(request));
    if (claims.ver !== undefined) await this.#current(claims.sub, claims.ver);
    this.#sessions.set(request, claims);
  };

  /** The caller of a request that went through `requireUser`. */
  userOf(request: FastifyRequest): Caller {
    const caller = this.#callers.get(request);
    if (caller === undefined) throw new MeridianError('unauthenticated');
    return caller;
  }

  /** The session of a request that went through `requireSession`. */
  sessionOf(request: FastifyRequest): SessionTokenClaims {
    const claims = this.#sessions.get(request);
    if (claims === undefined) throw new MeridianError('unauthenticated');
    return claims;
  }

  async #current(userId: UserId, tokenVersion: number): Promise<User> {
    const { known, revoked } = this.#options;
    const { value: user, remembered } = await known.user(userId);
    if (user?.tokenVersion !== tokenVersion) throw new MeridianError('token-revoked');
    if (remembered && (await revoked.isRevoked(userId, tokenVersion))) throw new MeridianError('token-revoked');
    return user;
  }
}

/** RFC 6750, section 2.1. @throws MeridianError `unauthenticated` */
export function bearerOf(request: FastifyRequest): string {
  const match = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(request.headers.authorization ?? '');
  if (match?.[1] === undefined) throw new MeridianError('unauthenticated');
  return match[1];
}
