import type { SdkErrorCode } from '@meridian/client';
import { TriangleAlert, X } from 'lucide-react';
import styles from './device-notice.module.css';
import { messageOf } from './messages.ts';

/** What is wrong with a camera, microphone or screen; the page goes on without it. */
export function DeviceNotice({ code, onClose }: { readonly code: SdkErrorCode; readonly onClose?: () => void }) {
  const { title, text } = messageOf(code);
  return (
    <div className={styles.notice} role="status" data-testid="device-notice" data-code={code}>
      <TriangleAlert aria-hidden="true" />
      <p>
        <strong>{title}.</strong> {text}
      </p>
      {onClose && (
        <button type="button" className={styles.close} onClick={onClose} aria-label="Dismiss">
          <X />
        </button>
      )}
    </div>
  );
}
