import type { Room, RoomStats } from '@meridian/client';
import { useEffect, useRef } from 'react';
import type { LocalMedia } from '../media/local-media.ts';
import { classes } from '../ui/classes.ts';
import { layoutGrid } from './grid-layout.ts';
import { LonelyCard } from './lonely-card.tsx';
import { chooseVisible, type Person, peopleOf } from './people.ts';
import { ScreenTile } from './screen-tile.tsx';
import styles from './stage.module.css';
import { Tile } from './tile.tsx';
import { useBox } from './use-box.ts';
import { useReactions } from './use-reactions.ts';

const GAP = 10;
/** More tiles than this help nobody, on a screen of this width. */
const placesFor = (width: number): number => (width < 560 ? 8 : 24);
/** Height of the tiles beside a screen share, and the width below which they lie beneath it. */
const STRIP = { tile: { width: 208, height: 117 }, beneathBelow: 820 };

interface StageProps {
  readonly room: Room;
  readonly media: LocalMedia;
  readonly stats: RoomStats | undefined;
}

/** Everybody's pictures: a grid, or a strip beside whatever screen is shared. */
export function Stage({ room, media, stats }: StageProps) {
  const box = useRef<HTMLDivElement>(null);
  const { width, height } = useBox(box);
  const reactions = useReactions(room);
  const people = peopleOf(room);
  const speaking = new Set(room.activeSpeakers.speakers.map(({ sessionId }) => sessionId));
  const sharing = people.find(({ screen }) => screen !== undefined);
  const visible = chooseVisible(people, placesFor(width), speaking);
  const unseen = people.filter((person) => !visible.includes(person));
  useHide(room, unseen);

  const alone = people.length === 1 && sharing === undefined;
  const extra = unseen.length > 0 ? 1 : 0;
  const grid = layoutGrid(visible.length + extra, width, height, GAP);
  const size = sharing === undefined ? { width: grid.tileWidth, height: grid.tileHeight } : STRIP.tile;
  return (
    <section
      className={classes(styles.stage, sharing && styles.shared, width < STRIP.beneathBelow && styles.beneath)}
      aria-label="People in the call"
      data-testid="stage"
    >
      {sharing && <ScreenTile room={room} person={sharing} media={media} />}
      <div ref={box} className={styles.people}>
        {visible.map((person) => {
          const { sessionId } = person.participant;
          const figures = person.isSelf ? stats?.up : stats?.people.get(sessionId);
          return (
            <Tile
              key={sessionId}
              room={room}
              person={person}
              speaking={speaking.has(sessionId) && person.micOn}
              quality={(person.isSelf ? stats?.quality : stats?.people.get(sessionId)?.quality) ?? 'unknown'}
              figures={figures}
              more={relayText(stats, sessionId)}
              reaction={reactions.get(sessionId)}
              style={size}
            />
          );
        })}
        {unseen.length > 0 && (
          <div className={styles.more} style={size}>
            +{unseen.length}
            <span>more</span>
          </div>
        )}
      </div>
      {alone && <LonelyCard room={room} />}
    </section>
  );
}

function relayText(stats: RoomStats | undefined, sessionId: Person['participant']['sessionId']): string | undefined {
  const relayRttMs = stats?.people.get(sessionId)?.relayRttMs;
  return relayRttMs == null ? undefined : `${Math.round(relayRttMs)} ms of it between the servers`;
}

/** People without a tile cost no bandwidth. */
function useHide(room: Room, unseen: readonly Person[]): void {
  const key = unseen.map(({ participant }) => participant.sessionId).join(' ');
  useEffect(() => {
    for (const sessionId of key.split(' ')) {
      const hidden = room.participants.find((one) => one.sessionId === sessionId);
      if (hidden !== undefined) room.setShown({ sessionId: hidden.sessionId, source: 'camera' }, 'hidden');
    }
  }, [room, key]);
}
