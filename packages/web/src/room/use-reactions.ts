import type { Room } from '@meridian/client';
import type { SessionId } from '@meridian/protocol';
import { useEffect, useState } from 'react';
import { isReaction, REACTIONS_LABEL, type Reaction } from './reactions.ts';

export interface ShownReaction {
  readonly kind: Reaction;
  readonly key: number;
}

const SHOWN_MS = 2_400;
let nextKey = 0;

/** Reactions as they come in, one per person, each for a moment. Our own come by the same event. */
export function useReactions(room: Room): ReadonlyMap<SessionId, ShownReaction> {
  const [shown, setShown] = useState<ReadonlyMap<SessionId, ShownReaction>>(new Map());
  useEffect(() => {
    const timers = new Set<ReturnType<typeof setTimeout>>();
    const show = (sessionId: SessionId, kind: Reaction) => {
      nextKey += 1;
      const reaction = { kind, key: nextKey };
      setShown((now) => new Map(now).set(sessionId, reaction));
      const timer = setTimeout(() => {
        timers.delete(timer);
        setShown((now) => {
          if (now.get(sessionId) !== reaction) return now;
          const rest = new Map(now);
          rest.delete(sessionId);
          return rest;
        });
      }, SHOWN_MS);
      timers.add(timer);
    };
    const forget = room.on('data', ({ label, sessionId, payload }) => {
      if (label === REACTIONS_LABEL && isReaction(payload)) show(sessionId, payload);
    });
    const onOwn = (event: Event) => {
      if (event instanceof CustomEvent && isReaction(event.detail)) show(room.self.sessionId, event.detail);
    };
    window.addEventListener(OWN_REACTION, onOwn);
    return () => {
      forget();
      window.removeEventListener(OWN_REACTION, onOwn);
      for (const timer of timers) clearTimeout(timer);
    };
  }, [room]);
  return shown;
}

const OWN_REACTION = 'meridian-own-reaction';

/** Sends a reaction to everybody and shows it on our own tile. @throws what `Room.sendData` throws */
export async function react(room: Room, kind: Reaction): Promise<void> {
  window.dispatchEvent(new CustomEvent(OWN_REACTION, { detail: kind }));
  await room.sendData(REACTIONS_LABEL, kind);
}
