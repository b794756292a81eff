import type { RoomNames, RoomState } from '@meridian/cluster';
import { MeridianError, RoomId, RoomSlug } from '@meridian/protocol';

/** Names looked up at the same time. */
const AT_ONCE = 100;

/** The rooms' slugs; rooms whose name is not known (any more) are left out. */
export async function slugsOf(names: RoomNames, roomIds: readonly RoomId[]): Promise<Map<RoomId, RoomSlug>> {
  const slugs = new Map<RoomId, RoomSlug>();
  const unique = [...new Set(roomIds)];
  for (let i = 0; i < unique.length; i += AT_ONCE) {
    await Promise.all(
      unique.slice(i, i + AT_ONCE).map(async (roomId) => {
        const slug = await names.slugOf(roomId);
        if (slug !== undefined) slugs.set(roomId, slug);
      }),
    );
  }
  return slugs;
}

/**
 * The room that a person means: by its slug, or by its id while somebody is in it.
 * @throws MeridianError `room-not-found`
 */
export async function findRoom(
  cluster: { readonly names: RoomNames; readonly rooms: RoomState },
  text: string,
): Promise<{ roomId: RoomId; slug: RoomSlug | null }> {
  const slug = RoomSlug.safeParse(text).data;
  const named = slug === undefined ? undefined : await cluster.names.find(slug);
  if (slug !== undefined && named !== undefined) return { roomId: named, slug };
  const roomId = RoomId.safeParse(text).data;
  if (roomId !== undefined && (await cluster.rooms.nodesOf(roomId)).length > 0) {
    return { roomId, slug: (await cluster.names.slugOf(roomId)) ?? null };
  }
  throw new MeridianError('room-not-found', {
    message: `nobody has joined a room "${text}" lately; \`meridian rooms\` lists those with people in them`,
  });
}
