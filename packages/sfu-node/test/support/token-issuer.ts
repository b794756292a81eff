import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  type Grants,
  MeridianError,
  type NodeId,
  type RoomId,
  type SessionLease,
  SessionTokenClaims,
  TOKEN_TYPES,
} from '@meridian/protocol';
import { type CryptoKey, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';

export const ALL_GRANTS: Grants = { publish: true, subscribe: true, chat: true, moderate: true };

/** What its tokens say as `iss`. */
export const ISSUER = 'http://session-api.test';

export interface SigningOptions {
  readonly issuer?: string;
  readonly kid?: string;
  readonly key?: CryptoKey;
  readonly typ?: string;
  readonly alg?: string;
  /** Seconds from now. */
  readonly expiresInS?: number;
  readonly issuedInS?: number;
}

/** Signs tokens as the session service does, and serves its keys. */
export class TokenIssuer {
  readonly jwksUrl: string;
  /** How often the keys were read. */
  reads = 0;
  /** Session tokens that were renewed, in the order of the requests. */
  readonly renewed: { readonly old: string; readonly fresh: string }[] = [];
  /** Sessions whose tokens are worth nothing any more. */
  readonly revoked = new Set<string>();
  /** Answers 503. */
  down = false;
  readonly #server: Server;
  readonly #keys = new Map<string, { publicKey: CryptoKey; privateKey: CryptoKey }>();
  #current: string;
  #nextId = 1;

  private constructor(
    server: Server,
    port: number,
    kid: string,
    pair: { publicKey: CryptoKey; privateKey: CryptoKey },
  ) {
    this.#server = server;
    this.jwksUrl = `http://127.0.0.1:${port}/.well-known/jwks.json`;
    this.#keys.set(kid, pair);
    this.#current = kid;
  }

  static async start(): Promise<TokenIssuer> {
    const pair = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
    const server = createServer((request, response) => {
      if (request.url === '/v1/sessions/renew') {
        void issuer.#renew(request, response);
        return;
      }
      issuer.reads += 1;
      if (issuer.down) {
        response.writeHead(503).end();
        return;
      }
      void issuer
        .jwks()
        .then((keys) => response.setHeader('content-type', 'application/json').end(JSON.stringify(keys)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port was given');
    const issuer = new TokenIssuer(server, address.port, 'key-1', pair);
    return issuer;
  }

  async jwks() {
    const keys = await Promise.all(
      [...this.#keys].map(async ([kid, { publicKey }]) => ({
        ...(await exportJWK(publicKey)),
        kid,
        alg: 'EdDSA',
        use: 'sig',
      })),
    );
    return { keys };
  }

  /** A new key signs from now on; the older ones stay in the set. */
  async rotate(): Promise<void> {
    const kid = `key-${this.#keys.size + 1}`;
    this.#keys.set(kid, await generateKeyPair('EdDSA', { crv: 'Ed25519' }));
    this.#current = kid;
  }

  async sign(claims: Record<string, unknown>, options: SigningOptions & { typ: string }): Promise<string> {
    const kid = options.kid ?? this.#current;
    const key = options.key ?? this.#keys.get(kid)?.privateKey;
    if (key === undefined) throw new Error(`no key ${kid}`);
    const nowS = Math.floor(Date.now() / 1_000);
    return await new SignJWT({ iss: options.issuer ?? ISSUER, ...claims })
      .setProtectedHeader({ alg: options.alg ?? 'EdDSA', kid, typ: options.typ })
      .setIssuedAt(nowS + (options.issuedInS ?? 0))
      .setExpirationTime(nowS + (options.expiresInS ?? 60))
      .sign(key);
  }

  session(
    claims: {
      sessionId: string;
      userId?: string;
      name?: string;
      nodeId: NodeId | string;
      roomHint?: string;
      ver?: number;
    },
    options: SigningOptions = {},
  ): Promise<string> {
    return this.sign(
      {
        sub: claims.userId ?? `user-of-${claims.sessionId}`,
        name: claims.name ?? `Name of ${claims.sessionId}`,
        sid: claims.sessionId,
        aud: claims.nodeId,
        ...(claims.roomHint === undefined ? {} : { roomHint: claims.roomHint }),
        ...(claims.ver === undefined ? {} : { ver: claims.ver }),
      },
      { typ: TOKEN_TYPES.session, ...options },
    );
  }

  room(
    claims: { lease: SessionLease; roomId: RoomId; slug?: string; grants?: Grants; jti?: string; nodeId?: string },
    options: SigningOptions = {},
  ): Promise<string> {
    const { lease, roomId, slug = 'a-room', grants = ALL_GRANTS } = claims;
    return this.sign(
      {
        sub: lease.userId,
        sid: lease.sessionId,
        room: roomId,
        slug,
        grants,
        aud: claims.nodeId ?? lease.nodeId,
        epoch: lease.epoch,
        jti: claims.jti ?? `token-id-${process.pid}-${Date.now()}-${this.#nextId++}`,
      },
      { typ: TOKEN_TYPES.room, ...options },
    );
  }

  /** As `POST /v1/sessions/renew` does. */
  async #renew(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('content-type', 'application/json');
    const old = request.headers.authorization?.replace('Bearer ', '') ?? '';
    const { iss: _iss, iat, exp, ...claims } = SessionTokenClaims.parse(decodeJwt(old));
    const refusal = this.down ? 'store-unavailable' : this.revoked.has(claims.sid) ? 'token-revoked' : undefined;
    if (refusal !== undefined) {
      const error = new MeridianError(refusal);
      response.writeHead(error.status).end(JSON.stringify({ error: error.toPublicBody() }));
      return;
    }
    const fresh = await this.sign(claims, { typ: TOKEN_TYPES.session, expiresInS: exp - iat });
    this.renewed.push({ old, fresh });
    response.end(JSON.stringify({ sessionToken: fresh, expiresAtMs: (decodeJwt(fresh).exp ?? 0) * 1_000 }));
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
