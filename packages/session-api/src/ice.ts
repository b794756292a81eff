import { createHmac } from 'node:crypto';
import type { IceServer, UserId } from '@meridian/protocol';

export type TurnCredentials =
  | { readonly kind: 'none' }
  /** coturn's `lt-cred-mech`: one name and password for everybody. */
  | { readonly kind: 'static'; readonly username: string; readonly credential: string }
  /** coturn's `use-auth-secret`: credentials that run out, made from a shared secret. */
  | { readonly kind: 'time-limited'; readonly secret: string; readonly ttlS: number };

export interface IceSettings {
  readonly stunUrls: readonly string[];
  readonly turnUrls: readonly string[];
  readonly credentials: TurnCredentials;
}

/**
 * The ICE servers for one user. Time-limited credentials are those of draft-uberti-behave-turn-rest-00,
 * which coturn implements: the username is `<expiry in seconds since 1970>:<user id>`, the password
 * the base64 HMAC-SHA1 of it under the shared secret.
 */
export function iceServersFor(settings: IceSettings, userId: UserId, nowMs: number): IceServer[] {
  const { stunUrls, turnUrls, credentials } = settings;
  const stun: IceServer[] = stunUrls.length === 0 ? [] : [{ urls: [...stunUrls] }];
  if (turnUrls.length === 0 || credentials.kind === 'none') return stun;
  const urls = [...turnUrls];
  if (credentials.kind === 'static') {
    return [...stun, { urls, username: credentials.username, credential: credentials.credential }];
  }
  const username = `${Math.floor(nowMs / 1_000) + credentials.ttlS}:${userId}`;
  const credential = createHmac('sha1', credentials.secret).update(username).digest('base64');
  return [...stun, { urls, username, credential }];
}
