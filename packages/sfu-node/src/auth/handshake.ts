import {
  MeridianError,
  parseResumeProtocol,
  RESUME_PROTOCOL_PREFIX,
  type ResumePoint,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';

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
 * Where a client left off; undefined where it names nothing.
 * @throws MeridianError `bad-request` for what cannot be read, or more than one
 */
export function resumePointOf(offered: readonly string[]): ResumePoint | undefined {
  const named = offered.filter((value) => value.startsWith(RESUME_PROTOCOL_PREFIX));
  const [value] = named;
  if (value === undefined) return undefined;
  const point = parseResumeProtocol(value);
  if (point === undefined || named.length > 1) {
    throw new MeridianError('bad-request', {
      message: `Name where you left off once, as ${RESUME_PROTOCOL_PREFIX}<epoch>.<number of the last notification>.`,
    });
  }
  return point;
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
