import {
  type ErrorCode,
  InvitationClaims,
  MeridianError,
  parseOrThrow,
  SERVICE_AUDIENCE,
  SessionTokenClaims,
  TOKEN_ALGORITHM,
  TOKEN_TYPES,
  type TokenKind,
  UserTokenClaims,
} from '@meridian/protocol';
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import type { z } from 'zod';
import type { KeyRing } from './key-ring.ts';

export interface TokenVerifierOptions {
  readonly keys: KeyRing;
  readonly issuer: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Seconds by which the clocks of two instances may differ. */
const CLOCK_TOLERANCE_S = 5;

interface Check {
  readonly kind: TokenKind;
  /** undefined where the audience is a node: who asks has to compare it. */
  readonly audience: string | undefined;
  /** A token that ran out no longer ago than this still passes, seconds. */
  readonly expiredForS: number;
}

/**
 * Checks the tokens that come back to this service. Every way of being wrong has its own code:
 * `token-algorithm`, `token-key-unknown`, `token-invalid` (no JWT, changed, or of another issuer),
 * `token-kind`, `token-audience`, `token-not-yet-valid`, `token-expired`.
 */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
  }

  user(token: string): Promise<UserTokenClaims> {
    return this.#verify(token, UserTokenClaims, { kind: 'user', audience: SERVICE_AUDIENCE, expiredForS: 0 });
  }

  /** `expiredForS`: how long ago the token may have run out, for taking an old session's id over. */
  session(token: string, { expiredForS = 0 } = {}): Promise<SessionTokenClaims> {
    return this.#verify(token, SessionTokenClaims, { kind: 'session', audience: undefined, expiredForS });
  }

  invitation(token: string): Promise<InvitationClaims> {
    return this.#verify(token, InvitationClaims, { kind: 'invitation', audience: SERVICE_AUDIENCE, expiredForS: 0 });
  }

  async #verify<S extends z.ZodType>(token: string, claims: S, check: Check): Promise<z.output<S>> {
    const { keys, issuer, now } = this.#options;
    refuseForeignAlgorithm(token);
    try {
      const { payload } = await jwtVerify(token, ({ kid }) => keys.verifying(kid), {
        algorithms: [TOKEN_ALGORITHM],
        typ: TOKEN_TYPES[check.kind],
        issuer,
        ...(check.audience === undefined ? {} : { audience: check.audience }),
        requiredClaims: ['exp', 'iat'],
        currentDate: new Date(now()),
        clockTolerance: CLOCK_TOLERANCE_S,
      }).catch((thrown: unknown) => ({ payload: this.#recentlyExpired(thrown, check) }));
      if ((payload.iat ?? 0) > now() / 1_000 + CLOCK_TOLERANCE_S) throw new MeridianError('token-not-yet-valid');
      return parseOrThrow(claims, payload, 'token-invalid', 'token');
    } catch (thrown) {
      throw tokenError(thrown);
    }
  }

  /** The claims of a token whose only fault is to have run out within the allowed time; throws otherwise. */
  #recentlyExpired(thrown: unknown, { expiredForS }: Check): JWTPayload {
    if (!(thrown instanceof errors.JWTExpired) || thrown.claim !== 'exp') throw thrown;
    // jose checks the expiry last: signature, kind, issuer and audience are in order here.
    if ((thrown.payload.exp ?? 0) + expiredForS <= this.#options.now() / 1_000) throw thrown;
    return thrown.payload;
  }
}

/**
 * Looks at the header before any key is chosen: `none`, HS256 with the public key as its secret and
 * the like are refused for what they are, whatever key id they name.
 */
function refuseForeignAlgorithm(token: string): void {
  let algorithm: unknown;
  try {
    algorithm = decodeProtectedHeader(token).alg;
  } catch (cause) {
    throw new MeridianError('token-invalid', { cause });
  }
  if (algorithm !== TOKEN_ALGORITHM) throw new MeridianError('token-algorithm');
}

function tokenError(thrown: unknown): MeridianError {
  return thrown instanceof MeridianError ? thrown : new MeridianError(codeOf(thrown), { cause: thrown });
}

function codeOf(thrown: unknown): ErrorCode {
  if (thrown instanceof errors.JWTExpired) return 'token-expired';
  if (thrown instanceof errors.JOSEAlgNotAllowed || thrown instanceof errors.JOSENotSupported) return 'token-algorithm';
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    switch (thrown.claim) {
      case 'typ':
        return 'token-kind';
      case 'aud':
        return 'token-audience';
      case 'nbf':
        return 'token-not-yet-valid';
      default:
        return 'token-invalid';
    }
  }
  return 'token-invalid';
}
