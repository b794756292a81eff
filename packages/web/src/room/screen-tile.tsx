import type { Room } from '@meridian/client';
import { MonitorUp } from 'lucide-react';
import { useRef } from 'react';
import type { LocalMedia } from '../media/local-media.ts';
import { Video } from '../media/video.tsx';
import { Button } from '../ui/button.tsx';
import type { Person } from './people.ts';
import styles from './screen-tile.module.css';
import { useShown } from './use-shown.ts';

interface ScreenTileProps {
  readonly room: Room;
  readonly person: Person;
  readonly media: LocalMedia;
}

/** A shared screen, whole: nothing of it is cut off. Our own is only named, to spare us the hall of mirrors. */
export function ScreenTile({ room, person, media }: ScreenTileProps) {
  const box = useRef<HTMLDivElement>(null);
  const { screen, participant, isSelf } = person;
  useShown(room, isSelf || screen === undefined ? undefined : participant.sessionId, 'screen', box);
  return (
    <article
      className={styles.screen}
      aria-label={isSelf ? 'Your shared screen' : `Screen of ${participant.name}`}
      data-testid="screen-tile"
      data-session-id={participant.sessionId}
    >
      {isSelf ? (
        <div className={styles.own}>
          <span className={styles.icon} aria-hidden="true">
            <MonitorUp />
          </span>
          <p>You are sharing your screen</p>
          <Button look="danger" onClick={() => void media.stopScreen()}>
            Stop sharing
          </Button>
        </div>
      ) : (
        screen && <Video track={screen.track} className={styles.video} boxRef={box} />
      )}
      <span className={styles.name}>{isSelf ? 'Your screen' : `${participant.name}’s screen`}</span>
    </article>
  );
}
