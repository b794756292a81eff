import { type RefObject, useLayoutEffect, useState } from 'react';

export interface Box {
  readonly width: number;
  readonly height: number;
}

/** Inner size of an element, in CSS pixels, followed as it changes. */
export function useBox(element: RefObject<HTMLElement | null>): Box {
  const [box, setBox] = useState<Box>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const target = element.current;
    if (target === null) return;
    const read = ({ width, height }: Box) => setBox({ width, height });
    read(target.getBoundingClientRect());
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) read(entry.contentRect);
    });
    observer.observe(target);
    return () => observer.disconnect();
  }, [element]);
  return box;
}
