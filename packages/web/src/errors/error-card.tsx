import type { SdkErrorCode } from '@meridian/client';
import { CircleOff, CloudOff, DoorClosed, Lock, SearchX, TriangleAlert, Users, WifiOff } from 'lucide-react';
import type { ComponentType, ReactNode } from 'react';
import styles from './error-card.module.css';
import { messageOf } from './messages.ts';

const ICONS: Partial<Record<SdkErrorCode, ComponentType>> = {
  'room-not-found': SearchX,
  'room-full': Users,
  'room-private': Lock,
  'invitation-invalid': Lock,
  'room-ended': DoorClosed,
  'session-kicked': CircleOff,
  'no-healthy-node': CloudOff,
  'cluster-unavailable': CloudOff,
  'service-unreachable': WifiOff,
  'node-unreachable': WifiOff,
  'reconnect-failed': WifiOff,
  'connection-lost': WifiOff,
};

interface ErrorCardProps {
  readonly code: SdkErrorCode;
  /** Buttons. */
  readonly children: ReactNode;
}

/** A failure that leaves nothing else to do on this page. */
export function ErrorCard({ code, children }: ErrorCardProps) {
  const { title, text } = messageOf(code);
  const Icon = ICONS[code] ?? TriangleAlert;
  return (
    <section className={styles.card} role="alert" data-testid="error-card" data-code={code}>
      <span className={styles.icon} aria-hidden="true">
        <Icon />
      </span>
      <h1 className={styles.title}>{title}</h1>
      <p className={styles.text}>{text}</p>
      <div className={styles.actions}>{children}</div>
      <p className={styles.code}>{code}</p>
    </section>
  );
}
