import { AudioPlayer, type Room } from '@meridian/client';
import { useCallback, useEffect, useRef, useState } from 'react';
import { Button } from '../ui/button.tsx';
import styles from './audio-sink.module.css';
import { soundsOf } from './people.ts';

/** Plays everybody's sound, and asks for a click where the browser wants one first. */
export function AudioSink({ room }: { readonly room: Room }) {
  const [blocked, setBlocked] = useState(false);
  const players = useRef(new Set<AudioPlayer>());
  const onBlocked = useCallback(() => setBlocked(true), []);
  const unblock = () => {
    setBlocked(false);
    for (const player of players.current) player.play();
  };
  return (
    <>
      {soundsOf(room).map(({ sessionId, source, track }) => (
        <Sound key={`${sessionId}/${source}`} track={track} players={players.current} onBlocked={onBlocked} />
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
  readonly players: Set<AudioPlayer>;
  readonly onBlocked: () => void;
}

/** Somebody's sound, over whichever track it comes. There is nothing to see of it. */
function Sound({ track, players, onBlocked }: SoundProps) {
  const player = useRef<AudioPlayer>(undefined);
  useEffect(() => {
    const made = new AudioPlayer({ onBlocked });
    player.current = made;
    players.add(made);
    return () => {
      players.delete(made);
      player.current = undefined;
      made.close();
    };
  }, [players, onBlocked]);
  useEffect(() => player.current?.show(track), [track]);
  return null;
}
