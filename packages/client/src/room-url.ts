import { RoomSlug } from '@meridian/protocol';
import { ClientError } from './errors.ts';

export interface RoomAddress {
  /** Base of the HTTP API, without a trailing slash. */
  readonly serviceUrl: string;
  readonly slug: RoomSlug;
  /** From the fragment, which browsers never send to a server. */
  readonly invitation: string | undefined;
}

const ROOM_PATH = /^(.*)\/r\/([^/]+)\/?$/;

/**
 * Reads a room's address such as `https://meet.example.org/r/weekly#invite=...`.
 * @throws ClientError `room-url-invalid`
 */
export function parseRoomUrl(url: string | URL): RoomAddress {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new ClientError('room-url-invalid', { cause });
  }
  const match = ROOM_PATH.exec(parsed.pathname);
  const slug = RoomSlug.safeParse(match?.[2]?.toLowerCase());
  if (!match || !slug.success || !/^https?:$/.test(parsed.protocol)) throw new ClientError('room-url-invalid');
  const invitation = new URLSearchParams(parsed.hash.slice(1)).get('invite');
  return {
    serviceUrl: `${parsed.origin}${match[1] ?? ''}`,
    slug: slug.data,
    invitation: invitation === null || invitation === '' ? undefined : invitation,
  };
}

/** What a person typed or pasted to open a room: a whole link, a path, or just the slug. */
export function parseRoomInput(
  text: string,
  serviceUrl: string,
): { slug: RoomSlug; invitation: string | undefined } | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  const candidates = [trimmed, `${serviceUrl}${trimmed.startsWith('/') ? '' : '/'}${trimmed}`, `https://${trimmed}`];
  for (const candidate of candidates) {
    try {
      const { slug, invitation } = parseRoomUrl(candidate);
      return { slug, invitation };
    } catch {
      // not an address of this form; the next one
    }
  }
  const slug = RoomSlug.safeParse(
    trimmed
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, ''),
  );
  return slug.success ? { slug: slug.data, invitation: undefined } : undefined;
}
