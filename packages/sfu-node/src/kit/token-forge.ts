import {
  type Grants,
  type NodeId,
  type RoomId,
  type SessionId,
  type SessionLease,
  TOKEN_TYPES,
  type UserId,
} from '@meridian/protocol';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { Clock } from '../clock.ts';

const KEY_ID = 'kit';
const TOKEN_LIFE_S = 12 * 3_600;

/** Signs what the session service signs, without one. */
export class TokenForge {
  readonly issuer = 'http://session-service.kit';
  readonly #publicKey: CryptoKey;
  readonly #privateKey: CryptoKey;
  readonly #clock: Pick<Clock, 'wallNow'>;
  readonly #newId: () => string;

  private constructor(options: {
    publicKey: CryptoKey;
    privateKey: CryptoKey;
    clock: Pick<Clock, 'wallNow'>;
    newId: () => string;
  }) {
    this.#publicKey = options.publicKey;
    this.#privateKey = options.privateKey;
    this.#clock = options.clock;
    this.#newId = options.newId;
  }

  static async make(options: { clock: Pick<Clock, 'wallNow'>; newId: () => string }): Promise<TokenForge> {
    return new TokenForge({ ...options, ...(await generateKeyPair('EdDSA', { crv: 'Ed25519' })) });
  }

  /** Answers as the session service's key list does. */
  readonly fetch: typeof fetch = async () => {
    const key = { ...(await exportJWK(this.#publicKey)), kid: KEY_ID, alg: 'EdDSA', use: 'sig' };
    return Response.json({ keys: [key] });
  };

  session(claims: { sessionId: SessionId; userId: UserId; name: string; nodeId: NodeId }): Promise<string> {
    const { sessionId, userId, name, nodeId } = claims;
    return this.#sign(TOKEN_TYPES.session, { sub: userId, name, sid: sessionId, aud: nodeId });
  }

  room(claims: { lease: SessionLease; roomId: RoomId; slug: string; grants: Grants }): Promise<string> {
    const { lease, roomId, slug, grants } = claims;
    return this.#sign(TOKEN_TYPES.room, {
      sub: lease.userId,
      sid: lease.sessionId,
      room: roomId,
      slug,
      grants,
      aud: lease.nodeId,
      epoch: lease.epoch,
      jti: this.#newId(),
    });
  }

  async #sign(typ: string, claims: Record<string, unknown>): Promise<string> {
    const nowS = Math.floor(this.#clock.wallNow() / 1_000);
    return await new SignJWT({ iss: this.issuer, ...claims })
      .setProtectedHeader({ alg: 'EdDSA', kid: KEY_ID, typ })
      .setIssuedAt(nowS)
      .setExpirationTime(nowS + TOKEN_LIFE_S)
      .sign(this.#privateKey);
  }
}
