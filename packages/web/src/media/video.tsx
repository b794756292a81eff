import { VideoPlayer } from '@meridian/client';
import { type RefObject, useEffect, useRef } from 'react';
import { classes } from '../ui/classes.ts';
import styles from './video.module.css';

interface VideoProps {
  readonly track: MediaStreamTrack;
  /** Of the picture: how it fits. */
  readonly className?: string | undefined;
  readonly boxRef?: RefObject<HTMLDivElement | null>;
}

/**
 * Plays one video track, without sound: audio tracks have players of their own. Given another track it shows the
 * old picture until the new one is there.
 */
export function Video({ track, className, boxRef }: VideoProps) {
  const own = useRef<HTMLDivElement>(null);
  const box = boxRef ?? own;
  const player = useRef<VideoPlayer>(undefined);
  useEffect(() => {
    if (box.current === null) return;
    const made = new VideoPlayer(box.current, { className });
    player.current = made;
    return () => {
      made.close();
      player.current = undefined;
    };
  }, [box, className]);
  useEffect(() => {
    // After the effect above, which may have made another player.
    if (className !== null) player.current?.show(track);
  }, [track, className]);
  return <div ref={box} className={classes(styles.box)} />;
}
