import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { classes } from './classes.ts';
import styles from './round-button.module.css';

interface RoundButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly label: string;
  readonly icon: ReactNode;
  /** A device that is off: red. */
  readonly off?: boolean;
  /** A panel that is open. */
  readonly active?: boolean;
  readonly danger?: boolean;
  /** Key that does the same. */
  readonly shortcut?: string;
  readonly badge?: number | undefined;
}

export function RoundButton({
  label,
  icon,
  off = false,
  active = false,
  danger = false,
  shortcut,
  badge,
  className,
  ...rest
}: RoundButtonProps) {
  return (
    <button
      type="button"
      className={classes(styles.button, off && styles.off, active && styles.active, danger && styles.danger, className)}
      aria-label={label}
      aria-keyshortcuts={shortcut}
      title={shortcut === undefined ? label : `${label} (${shortcut.toUpperCase()})`}
      {...rest}
    >
      {icon}
      {badge !== undefined && badge > 0 && (
        <span className={styles.badge} data-testid="unread-badge">
          {badge > 99 ? '99+' : badge}
          <span className="visually-hidden"> new</span>
        </span>
      )}
    </button>
  );
}
