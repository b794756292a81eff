import type { RoomView } from '@meridian/protocol';
import { Crown, Lock } from 'lucide-react';
import { useEffect, useState } from 'react';
import { navigate } from '../router.ts';
import { account, api } from '../service.ts';
import { useStore } from '../use-store.ts';
import styles from './my-rooms.module.css';

const MOST = 6;

/** Rooms that whoever is here owns or was invited to; nothing while there is none. */
export function MyRooms() {
  const current = useStore(account);
  const [rooms, setRooms] = useState<readonly RoomView[]>([]);
  const token = current?.userToken;
  useEffect(() => {
    setRooms([]);
    if (token === undefined) return;
    const stop = new AbortController();
    api.myRooms(token, stop.signal).then(setRooms, () => {
      // The list is a convenience: whatever is wrong shows where a room is opened.
    });
    return () => stop.abort();
  }, [token]);
  if (rooms.length === 0) return null;
  return (
    <section className={styles.section} aria-labelledby="my-rooms">
      <h2 id="my-rooms" className={styles.title}>
        Your rooms
      </h2>
      <ul className={styles.list}>
        {rooms.slice(0, MOST).map((room) => (
          <li key={room.roomId}>
            <a
              href={room.path}
              className={styles.room}
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey) return;
                event.preventDefault();
                navigate(room.path);
              }}
            >
              <span className={styles.name}>{room.title}</span>
              <span className={styles.marks}>
                {room.visibility === 'private' && <Lock aria-label="private" />}
                {room.role === 'owner' && <Crown aria-label="yours" />}
              </span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
