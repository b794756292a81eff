import { type Room, type RoomStats, toSdkError } from '@meridian/client';
import type { SessionId } from '@meridian/protocol';
import { useState } from 'react';
import { messageOf } from '../errors/messages.ts';
import { SidePanel } from '../ui/panel.tsx';
import { EndForAll } from './end-for-all.tsx';
import { peopleOf } from './people.ts';
import styles from './people-panel.module.css';
import { PersonRow } from './person-row.tsx';

interface PeoplePanelProps {
  readonly room: Room;
  readonly stats: RoomStats | undefined;
  readonly onClose: () => void;
}

/** Who is here, at which media server, and how well they are connected. */
export function PeoplePanel({ room, stats, onClose }: PeoplePanelProps) {
  const [problem, setProblem] = useState<string>();
  const people = peopleOf(room);
  const kick = async (sessionId: SessionId) => {
    setProblem(undefined);
    try {
      await room.kick(sessionId);
    } catch (thrown) {
      setProblem(messageOf(toSdkError(thrown).code).title);
    }
  };
  return (
    <SidePanel title={`People (${people.length})`} onClose={onClose} testId="people-panel">
      {problem !== undefined && (
        <p className={styles.problem} role="alert">
          {problem}
        </p>
      )}
      <ul className={styles.list}>
        {people.map((person) => {
          const figures = person.isSelf ? stats?.up : stats?.people.get(person.participant.sessionId);
          return (
            <PersonRow
              key={person.participant.sessionId}
              person={person}
              figures={figures}
              quality={(person.isSelf ? stats?.quality : figures?.quality) ?? 'unknown'}
              onKick={
                room.grants.moderate && !person.isSelf ? () => void kick(person.participant.sessionId) : undefined
              }
            />
          );
        })}
      </ul>
      {room.grants.moderate && <EndForAll room={room} />}
    </SidePanel>
  );
}
