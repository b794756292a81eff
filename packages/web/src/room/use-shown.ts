import type { Room } from '@meridian/client';
import type { ProducerId } from '@meridian/protocol';
import { type RefObject, useEffect } from 'react';

/** Keeps the node told in which size a video is on the page, so that it sends a picture that fits. */
export function useShown(
  room: Room,
  producerId: ProducerId | undefined,
  element: RefObject<HTMLVideoElement | null>,
): void {
  useEffect(() => {
    const target = element.current;
    if (producerId === undefined || target === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry === undefined) return;
      const { width, height } = entry.contentRect;
      const density = window.devicePixelRatio;
      const seen = width > 0 && height > 0;
      room.setShown(producerId, seen ? { width: width * density, height: height * density } : 'hidden');
    });
    observer.observe(target);
    return () => {
      observer.disconnect();
      room.setShown(producerId, 'hidden');
    };
  }, [room, producerId, element]);
}
