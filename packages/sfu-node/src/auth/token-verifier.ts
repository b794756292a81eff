import {
  type ErrorCode,
  MeridianError,
  type NodeId,
  parseOrThrow,
  RoomTokenClaims,
  SessionTokenClaims,
  TOKEN_ALGORITHM,
  TOKEN_TYPES,
} from '@meridian/protocol';
import { errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { z } from 'zod';
import type { Clock } from '../clock.ts';

export interface TokenVerifierOptions {
  readonly nodeId: NodeId;
  /** The session service's public URL; undefined leaves `iss` unchecked. */
  readonly issuer?: string | undefined;
  readonly findKey: JWTVerifyGetKey;
  readonly clock: Clock;
  /** Seconds by which clocks may differ. */
  readonly toleranceS?: number;
}

/** Checks session and room tokens: signature, kind, issuer, audience, times, shape. Every refusal has its own code. */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
  }

  session(token: string): Promise<SessionTokenClaims> {
    return this.#verify(token, TOKEN_TYPES.session, SessionTokenClaims);
  }

  room(token: string): Promise<RoomTokenClaims> {
    return this.#verify(token, TOKEN_TYPES.room, RoomTokenClaims);
  }

  async #verify<S extends z.ZodType>(token: string, typ: string, claims: S): Promise<z.output<S>> {
    const { nodeId, issuer, findKey, clock, toleranceS = 5 } = this.#options;
    try {
      const { payload } = await jwtVerify(token, findKey, {
        algorithms: [TOKEN_ALGORITHM],
        typ,
        audience: nodeId,
        ...(issuer === undefined ? {} : { issuer }),
        requiredClaims: ['exp', 'iat'],
        currentDate: new Date(clock.wallNow()),
        clockTolerance: toleranceS,
      });
      // jose does not mind an `iat` ahead of us.
      if ((payload.iat ?? 0) > clock.wallNow() / 1_000 + toleranceS) throw new MeridianError('token-not-yet-valid');
      // jose takes a list as audience too; a token for several nodes is none of ours.
      return parseOrThrow(claims, payload, 'token-invalid', 'token');
    } catch (thrown) {
      throw tokenError(thrown);
    }
  }
}

/** jose's errors in our words. */
export function tokenError(thrown: unknown): MeridianError {
  if (thrown instanceof MeridianError) return thrown;
  return new MeridianError(codeOf(thrown), { cause: thrown });
}

function codeOf(thrown: unknown): ErrorCode {
  if (thrown instanceof errors.JWTExpired) return 'token-expired';
  if (thrown instanceof errors.JOSEAlgNotAllowed || thrown instanceof errors.JOSENotSupported) return 'token-algorithm';
  if (thrown instanceof errors.JWKSNoMatchingKey) return 'token-key-unknown';
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
