import type { MediaEngine, RelayEnd } from '@meridian/media';
import { isMeridianError, type LinkId, type RoomId } from '@meridian/protocol';

/** A room may close (its last participant left) between being found and being used: then once more. */
const ATTEMPTS = 3;

/** Opens the room's media, if need be, and a relay end in it. */
export async function openRelayEnd(
  media: MediaEngine,
  roomId: RoomId,
  options: { linkId: LinkId; role: 'puller' | 'origin' },
): Promise<RelayEnd> {
  for (let attempt = 1; ; attempt++) {
    const room = await media.openRoom(roomId);
    try {
      return await room.openRelayEnd(options);
    } catch (error) {
      if (attempt === ATTEMPTS || !room.closed || !isMeridianError(error, 'closed')) throw error;
    }
  }
}
