import { type Room, toSdkError } from '@meridian/client';
import { useState } from 'react';
import { messageOf } from '../errors/messages.ts';
import { Button } from '../ui/button.tsx';
import styles from './end-for-all.module.css';

/** For moderators: ends the call for everybody, after asking once more. */
export function EndForAll({ room }: { readonly room: Room }) {
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState<string>();
  const end = async () => {
    try {
      await room.endForAll();
    } catch (thrown) {
      setProblem(messageOf(toSdkError(thrown).code).title);
      setAsking(false);
    }
  };
  return (
    <footer className={styles.foot}>
      {problem !== undefined && <p role="alert">{problem}</p>}
      {asking ? (
        <div className={styles.ask}>
          <Button look="danger" size="small" onClick={() => void end()} data-testid="end-confirm">
            End it for everybody
          </Button>
          <Button look="quiet" size="small" onClick={() => setAsking(false)}>
            Go on
          </Button>
        </div>
      ) : (
        <Button look="quiet" size="small" wide onClick={() => setAsking(true)} data-testid="end-for-all">
          End the call for everybody
        </Button>
      )}
    </footer>
  );
}
