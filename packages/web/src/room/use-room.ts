import type { Room, RoomStats } from '@meridian/client';
import { useEffect, useReducer, useState } from 'react';

/** Draws anew whenever something of the room changes. */
export function useRoom(room: Room): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    redraw();
    return room.on('changed', redraw);
  }, [room]);
}

const EVERY_MS = 2_500;

/** The figures of the call, taken every few seconds; undefined before the first. */
export function useStats(room: Room): RoomStats | undefined {
  const [stats, setStats] = useState<RoomStats>();
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const take = async () => {
      try {
        const taken = await room.stats(stop.signal);
        if (!stop.signal.aborted) setStats(taken);
      } catch {
        // The call has ended or is being restored; the next sample tells.
      }
      if (!stop.signal.aborted && room.phase.name !== 'ended') timer = setTimeout(take, EVERY_MS);
    };
    void take();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [room]);
  return stats;
}
