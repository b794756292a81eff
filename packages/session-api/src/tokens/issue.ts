import {
  type Epoch,
  type Grants,
  type NodeId,
  type RoomId,
  type RoomSlug,
  SERVICE_AUDIENCE,
  type SessionId,
  TOKEN_ALGORITHM,
  TOKEN_TYPES,
  type TokenKind,
  type UserId,
} from '@meridian/protocol';
import { type JWTPayload, SignJWT } from 'jose';
import type { KeyRing } from './key-ring.ts';

export interface TokenIssuerOptions {
  readonly keys: KeyRing;
  /** The `iss` claim: the service's public URL. */
  readonly issuer: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Life of each kind, seconds. */
  readonly ttlS: {
    readonly account: number;
    readonly guest: number;
    readonly session: number;
    readonly room: number;
  };
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

/** Signs the four kinds of token (DESIGN: the token chain) with the key that signs now. */
export class TokenIssuer {
  readonly #options: TokenIssuerOptions;

  constructor(options: TokenIssuerOptions) {
    this.#options = options;
  }

  user(claims: { sub: UserId; name: string; kind: 'account' | 'guest'; ver: number }): Promise<IssuedToken> {
    const { account, guest } = this.#options.ttlS;
    return this.#sign('user', { ...claims, aud: SERVICE_AUDIENCE }, claims.kind === 'account' ? account : guest);
  }

  /** `ver` is the account's token version; guests have none. */
  session(claims: {
    sub: UserId;
    name: string;
    sid: SessionId;
    aud: NodeId;
    roomHint: RoomId | undefined;
    ver: number | undefined;
  }): Promise<IssuedToken> {
    return this.#sign('session', claims, this.#options.ttlS.session);
  }

  room(claims: {
    sub: UserId;
    sid: SessionId;
    room: RoomId;
    slug: RoomSlug;
    grants: Grants;
    aud: NodeId;
    epoch: Epoch;
    jti: string;
  }): Promise<IssuedToken> {
    return this.#sign('room', claims, this.#options.ttlS.room);
  }

  invitation(
    claims: { sub: UserId; room: RoomId; slug: RoomSlug; jti: string },
    expiresInS: number,
  ): Promise<IssuedToken> {
    return this.#sign('invitation', { ...claims, aud: SERVICE_AUDIENCE }, expiresInS);
  }

  async #sign(kind: TokenKind, claims: JWTPayload, ttlS: number): Promise<IssuedToken> {
    const { keys, issuer, now } = this.#options;
    const { kid, privateKey } = keys.signing();
    const issuedAtS = Math.floor(now() / 1_000);
    const expiresAtS = issuedAtS + ttlS;
    const token = await new SignJWT({ ...claims, iss: issuer, iat: issuedAtS, exp: expiresAtS })
      .setProtectedHeader({ alg: TOKEN_ALGORITHM, typ: TOKEN_TYPES[kind], kid })
      .sign(privateKey);
    return { token, expiresAtMs: expiresAtS * 1_000 };
  }
}
