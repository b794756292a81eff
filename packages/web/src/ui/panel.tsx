import { X } from 'lucide-react';
import { type ReactNode, useId } from 'react';
import styles from './panel.module.css';

interface PanelProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly testId: string;
  readonly children: ReactNode;
}

/** What opens beside the call; over it where there is no room beside. */
export function SidePanel({ title, onClose, testId, children }: PanelProps) {
  const id = useId();
  return (
    <aside className={styles.panel} aria-labelledby={id} data-testid={testId}>
      <header className={styles.head}>
        <h2 id={id} className={styles.title}>
          {title}
        </h2>
        <button type="button" className={styles.close} onClick={onClose} aria-label={`Close ${title.toLowerCase()}`}>
          <X />
        </button>
      </header>
      {children}
    </aside>
  );
}
