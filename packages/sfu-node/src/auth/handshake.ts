import { MeridianError, SIGNALLING_PROTOCOL, TOKEN_PROTOCOL_PREFIX } from '@meridian/protocol';

/** The values of a Sec-WebSocket-Protocol header (RFC 6455, section 11.3.4). */
export function offeredProtocols(header: string | undefined): string[] {
  if (header === undefined) return [];
  return header
    .split(',')
    .map((value) => value.trim())
    .filter((value) => value !== '');
}

/**
 * The session token among the offered sub-protocols.
 * @throws MeridianError `unauthenticated` without exactly one, `unknown-message` without a protocol we speak
 */
export function sessionTokenOf(offered: readonly string[]): string {
  if (!offered.includes(SIGNALLING_PROTOCOL)) {
    throw new MeridianError('unknown-message', { message: `This node speaks ${SIGNALLING_PROTOCOL} only.` });
  }
  const tokens = offered.filter((value) => value.startsWith(TOKEN_PROTOCOL_PREFIX));
  const [token] = tokens;
  if (token === undefined || tokens.length > 1) throw new MeridianError('unauthenticated');
  return token.slice(TOKEN_PROTOCOL_PREFIX.length);
}

/**
 * May a page of this origin connect? Clients that are no browsers send none; they prove themselves by
 * their token alone, as everybody does in the end: the check only keeps foreign pages from trying.
 */
export function originAllowed(allowed: readonly string[], origin: string | undefined): boolean {
  if (origin === undefined || allowed.includes('*')) return true;
  const asked = origin.toLowerCase().replace(/\/$/, '');
  return allowed.some((one) => one.toLowerCase().replace(/\/$/, '') === asked);
}
