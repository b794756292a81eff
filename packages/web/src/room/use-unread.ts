import type { Room } from '@meridian/client';
import { useEffect, useState } from 'react';

/** Lines of others that came in while the chat was not open. */
export function useUnread(room: Room, open: boolean): number {
  const [unread, setUnread] = useState(0);
  useEffect(() => {
    if (open) {
      setUnread(0);
      return;
    }
    return room.on('chat', (message) => {
      if (message.sessionId !== room.self.sessionId) setUnread((count) => count + 1);
    });
  }, [room, open]);
  return unread;
}
