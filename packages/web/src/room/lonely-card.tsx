import type { Room } from '@meridian/client';
import { Check, Copy } from 'lucide-react';
import { Button } from '../ui/button.tsx';
import styles from './lonely-card.module.css';
import { useRoomLink } from './use-room-link.ts';

/** For whoever is alone: how to get others in. */
export function LonelyCard({ room }: { readonly room: Room }) {
  const link = useRoomLink(room);
  return (
    <aside className={styles.card} data-testid="lonely-card">
      <h2 className={styles.title}>You are the only one here</h2>
      <p className={styles.text}>Send this link to those who should join.</p>
      <div className={styles.link}>
        <span className={styles.address}>{link.address.replace(/^https?:\/\//, '')}</span>
        <Button
          look="primary"
          size="small"
          icon={link.state === 'copied' ? <Check /> : <Copy />}
          busy={link.state === 'working'}
          onClick={() => void link.copy()}
          data-testid="copy-link"
        >
          {link.state === 'copied' ? 'Copied' : 'Copy'}
        </Button>
      </div>
      {link.problem !== undefined && (
        <p className={styles.problem} role="alert">
          {link.problem}
        </p>
      )}
    </aside>
  );
}
