import { type Room, toSdkError } from '@meridian/client';
import { useCallback, useState } from 'react';
import { messageOf } from '../errors/messages.ts';
import { account, api } from '../service.ts';

const COPIED_MS = 2_000;

export interface RoomLink {
  readonly address: string;
  readonly state: 'idle' | 'working' | 'copied';
  readonly problem: string | undefined;
  copy(): Promise<void>;
}

/** The link that lets others in: for a private room of ours an invitation, else the room's address. */
export function useRoomLink(room: Room): RoomLink {
  const { info } = room;
  const [state, setState] = useState<RoomLink['state']>('idle');
  const [problem, setProblem] = useState<string>();
  const address = `${window.location.origin}${info.path}`;
  const needsInvitation = info.visibility === 'private' && info.role === 'owner';
  const copy = useCallback(async () => {
    setState('working');
    setProblem(undefined);
    try {
      const text = needsInvitation
        ? (await account.with((userToken) => api.invite(userToken, info.slug))).url
        : address;
      await navigator.clipboard.writeText(text);
      setState('copied');
      setTimeout(() => setState('idle'), COPIED_MS);
    } catch (thrown) {
      setState('idle');
      setProblem(
        thrown instanceof DOMException ? `Copy it by hand: ${address}` : `${messageOf(toSdkError(thrown).code).title}.`,
      );
    }
  }, [address, needsInvitation, info.slug]);
  return { address, state, problem, copy };
}
