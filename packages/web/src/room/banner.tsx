import type { Room, RoomPhase } from '@meridian/client';
import { Check, WifiOff } from 'lucide-react';
import { useEffect, useState } from 'react';
import styles from './banner.module.css';

const THANKS_MS = 2_500;

/** Says that the connection is gone and being restored, and when it is back. */
export function Banner({ room }: { readonly room: Room }) {
  const { phase } = room;
  const [back, setBack] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let wasGone = false;
    const thank = () => {
      // A loss that nobody was told of needs no thanks either.
      if (!wasGone) return;
      wasGone = false;
      setBack(true);
      clearTimeout(timer);
      timer = setTimeout(() => setBack(false), THANKS_MS);
    };
    const undo = [
      room.on('reconnecting', () => {
        wasGone = true;
      }),
      room.on('reconnected', thank),
      room.on('resumed', thank),
    ];
    return () => {
      for (const forget of undo) forget();
      clearTimeout(timer);
    };
  }, [room]);
  if (phase.name === 'reconnecting') {
    return (
      <div className={styles.banner} role="status" data-testid="banner" data-code={phase.cause.code}>
        <WifiOff aria-hidden="true" />
        <p>
          <strong>Reconnecting …</strong> {reasonOf(phase)}
        </p>
      </div>
    );
  }
  if (!back) return null;
  return (
    <div className={styles.back} role="status" data-testid="banner" data-code="reconnected">
      <Check aria-hidden="true" />
      <p>You are back in the call.</p>
    </div>
  );
}

function reasonOf({ cause }: RoomPhase & { name: 'reconnecting' }): string {
  if (!navigator.onLine) return 'Your device is offline. We go on as soon as the network is back.';
  switch (cause.code) {
    case 'node-shutdown':
    case 'node-draining':
      return 'The media server is going into maintenance; you are being moved to another one.';
    case 'worker-died':
    case 'media-unavailable':
      return 'The media server had a fault. You keep your place.';
    case 'media-unreachable':
      return 'Audio and video do not get through; another way is being tried.';
    case 'service-unreachable':
      return 'The service does not answer. Trying again.';
    default:
      return 'You keep your place in the room.';
  }
}
