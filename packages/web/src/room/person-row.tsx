import type { PathFigures, Quality } from '@meridian/client';
import { Mic, MicOff, UserX, VideoOff } from 'lucide-react';
import { useState } from 'react';
import { Avatar } from '../ui/avatar.tsx';
import { Button } from '../ui/button.tsx';
import type { Person } from './people.ts';
import styles from './person-row.module.css';
import { QualityBars } from './quality-bars.tsx';
import { usePlaceName } from './regions.ts';

interface PersonRowProps {
  readonly person: Person;
  readonly figures: PathFigures | undefined;
  readonly quality: Quality;
  /** Present for moderators. */
  readonly onKick: (() => void) | undefined;
}

export function PersonRow({ person, figures, quality, onKick }: PersonRowProps) {
  const [asking, setAsking] = useState(false);
  const { participant, isSelf, micOn, camera } = person;
  const place = usePlaceName(participant.nodeId, participant.region);
  return (
    <li
      className={styles.row}
      data-testid="person"
      data-session-id={participant.sessionId}
      data-node={participant.nodeId}
      data-region={participant.region}
    >
      <Avatar name={participant.name} size="small" />
      <div className={styles.who}>
        <p className={styles.name}>
          {participant.name}
          {isSelf && <em> (you)</em>}
        </p>
        <p className={styles.where}>
          {place} <span>{participant.nodeId}</span>
        </p>
      </div>
      {asking ? (
        <span className={styles.ask}>
          <Button size="small" look="danger" onClick={onKick} data-testid="kick-confirm">
            Remove
          </Button>
          <Button size="small" look="quiet" onClick={() => setAsking(false)}>
            Keep
          </Button>
        </span>
      ) : (
        <span className={styles.marks}>
          {camera === undefined && <VideoOff role="img" aria-label="Camera off" />}
          {micOn ? (
            <Mic role="img" aria-label="Microphone on" />
          ) : (
            <MicOff role="img" aria-label="Muted" className={styles.muted} />
          )}
          <QualityBars quality={quality} figures={figures} />
          {onKick && (
            <button
              type="button"
              className={styles.kick}
              onClick={() => setAsking(true)}
              aria-label={`Remove ${participant.name} from the room`}
              title="Remove from the room"
              data-testid="kick"
            >
              <UserX />
            </button>
          )}
        </span>
      )}
    </li>
  );
}
