import type { Room } from '@meridian/client';
import { useCallback, useEffect, useRef, useState } from 'react';
import { Button } from '../ui/button.tsx';
import styles from './audio-sink.module.css';
import { soundsOf } from './people.ts';

/** Plays everybody's sound, and asks for a click where the browser wants one first. */
export function AudioSink({ room }: { readonly room: Room }) {
  const [blocked, setBlocked] = useState(false);
  const players = useRef(new Set<HTMLAudioElement>());
  const play = useCallback((player: HTMLAudioElement) => {
    player.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'NotAllowedError') setBlocked(true);
    });
  }, []);
  const unblock = () => {
    setBlocked(false);
    for (const player of players.current) play(player);
  };
  return (
    <>
      {soundsOf(room).map(({ producerId, track }) => (
        <Sound key={producerId} track={track} players={players.current} play={play} />
      ))}
      {blocked && (
        <div className={styles.ask} role="alert">
          <p>Your browser holds the sound back until you click.</p>
          <Button look="primary" size="small" onClick={unblock}>
            Hear the others
          </Button>
        </div>
      )}
    </>
  );
}

interface SoundProps {
  readonly track: MediaStreamTrack;
  readonly players: Set<HTMLAudioElement>;
  readonly play: (player: HTMLAudioElement) => void;
}

/** A player outside of the document: there is nothing to see of it. */
function Sound({ track, players, play }: SoundProps) {
  useEffect(() => {
    const player = new Audio();
    player.srcObject = new MediaStream([track]);
    players.add(player);
    play(player);
    return () => {
      players.delete(player);
      player.pause();
      player.srcObject = null;
    };
  }, [track, players, play]);
  return null;
}
