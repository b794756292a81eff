import type { Room } from '@meridian/client';
import type { MediaSource, SessionId } from '@meridian/protocol';
import { type RefObject, useEffect } from 'react';

/**
 * Keeps the node told in which size a video is on the page, so that it sends a picture that fits. It is somebody's
 * source that is shown, over whichever producer it comes.
 * @param sessionId undefined while there is nothing to show
 */
export function useShown(
  room: Room,
  sessionId: SessionId | undefined,
  source: MediaSource,
  box: RefObject<HTMLElement | null>,
): void {
  useEffect(() => {
    const target = box.current;
    if (sessionId === undefined || target === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry === undefined) return;
      const { width, height } = entry.contentRect;
      const density = window.devicePixelRatio;
      const seen = width > 0 && height > 0;
      room.setShown({ sessionId, source }, seen ? { width: width * density, height: height * density } : 'hidden');
    });
    observer.observe(target);
    return () => {
      observer.disconnect();
      room.setShown({ sessionId, source }, 'hidden');
    };
  }, [room, sessionId, source, box]);
}
