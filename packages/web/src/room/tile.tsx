import type { PathFigures, Quality, Room } from '@meridian/client';
import { MicOff } from 'lucide-react';
import { type CSSProperties, useRef } from 'react';
import { Video } from '../media/video.tsx';
import { Avatar } from '../ui/avatar.tsx';
import type { Person } from './people.ts';
import { QualityBars } from './quality-bars.tsx';
import { REACTIONS, type Reaction } from './reactions.ts';
import { usePlaceName } from './regions.ts';
import styles from './tile.module.css';
import { useShown } from './use-shown.ts';

interface TileProps {
  readonly room: Room;
  readonly person: Person;
  readonly speaking: boolean;
  readonly quality: Quality;
  readonly figures: PathFigures | undefined;
  readonly more: string | undefined;
  readonly reaction: { readonly kind: Reaction; readonly key: number } | undefined;
  readonly style: CSSProperties | undefined;
}

/** One person: picture or initials, name, place, and how well they come through. */
export function Tile({ room, person, speaking, quality, figures, more, reaction, style }: TileProps) {
  const { participant, isSelf, camera, micOn } = person;
  const box = useRef<HTMLDivElement>(null);
  const place = usePlaceName(participant.nodeId, participant.region);
  useShown(room, isSelf || camera === undefined ? undefined : participant.sessionId, 'camera', box);
  const Reacting = reaction && REACTIONS[reaction.kind].icon;
  return (
    <article
      className={styles.tile}
      style={style}
      aria-label={`${participant.name}${isSelf ? ' (you)' : ''}, ${place}${micOn ? '' : ', muted'}`}
      data-testid="tile"
      data-session-id={participant.sessionId}
      data-node={participant.nodeId}
      data-region={participant.region}
      data-muted={!micOn}
      data-has-video={camera !== undefined}
      data-self={isSelf || undefined}
      data-speaking={speaking || undefined}
      data-connection={participant.connection}
    >
      {camera === undefined ? (
        <div className={styles.blank}>
          <Avatar name={participant.name} size="large" />
        </div>
      ) : (
        <Video track={camera.track} className={styles.video} boxRef={box} />
      )}
      {participant.connection === 'reconnecting' && <p className={styles.away}>Reconnecting …</p>}
      {Reacting && (
        <span key={reaction.key} className={styles.reaction} role="img" aria-label={REACTIONS[reaction.kind].label}>
          <Reacting />
        </span>
      )}
      <span className={styles.place} data-testid="tile-place" title={`Media server ${participant.nodeId}, ${place}`}>
        {place}
        <QualityBars quality={quality} figures={figures} more={more} />
      </span>
      <span className={styles.name}>
        {!micOn && <MicOff role="img" aria-label="muted" data-testid="muted-badge" />}
        <span data-testid="tile-name">
          {participant.name}
          {isSelf && <em> (you)</em>}
        </span>
      </span>
    </article>
  );
}
