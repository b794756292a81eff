import type { Room } from '@meridian/client';
import { useEffect, useState } from 'react';
import styles from './toasts.module.css';

const SHOWN_MS = 3_500;
const MOST = 3;
let nextKey = 0;

interface Toast {
  readonly key: number;
  readonly text: string;
}

/** Who came and who went, for a moment and for screen readers. */
export function Toasts({ room }: { readonly room: Room }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  useEffect(() => {
    const timers = new Set<ReturnType<typeof setTimeout>>();
    const say = (text: string) => {
      nextKey += 1;
      const toast = { key: nextKey, text };
      setToasts((now) => [...now, toast].slice(-MOST));
      const timer = setTimeout(() => {
        timers.delete(timer);
        setToasts((now) => now.filter((one) => one !== toast));
      }, SHOWN_MS);
      timers.add(timer);
    };
    const undo = [
      room.on('participant-joined', ({ name }) => say(`${name} joined`)),
      room.on('participant-left', ({ participant, reason }) =>
        say(reason === 'kicked' ? `${participant.name} was removed` : `${participant.name} left`),
      ),
    ];
    return () => {
      for (const forget of undo) forget();
      for (const timer of timers) clearTimeout(timer);
    };
  }, [room]);
  return (
    <div className={styles.toasts} role="status" aria-live="polite">
      {toasts.map(({ key, text }) => (
        <p key={key} className={styles.toast}>
          {text}
        </p>
      ))}
    </div>
  );
}
