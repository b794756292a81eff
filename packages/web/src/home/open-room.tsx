import { parseRoomInput } from '@meridian/client';
import { ArrowRight } from 'lucide-react';
import { type FormEvent, useState } from 'react';
import { navigate } from '../router.ts';
import { Button } from '../ui/button.tsx';
import { Field } from '../ui/field.tsx';
import styles from './open-room.module.css';

/** Into a room that exists, by its link or its name. */
export function OpenRoom() {
  const [text, setText] = useState('');
  const [problem, setProblem] = useState<string>();

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const room = parseRoomInput(text, window.location.origin);
    if (room === undefined) {
      setProblem('Paste a room’s link, or type its name.');
      return;
    }
    const fragment = room.invitation === undefined ? '' : `#invite=${room.invitation}`;
    navigate(`/r/${room.slug}${fragment}`);
  };

  return (
    <form className={styles.form} onSubmit={submit}>
      <Field
        label="Have a link or a room’s name?"
        className={styles.field}
        value={text}
        placeholder="Paste it here"
        problem={problem}
        onChange={(event) => {
          setText(event.target.value);
          setProblem(undefined);
        }}
        data-testid="open-room-input"
      />
      <Button
        type="submit"
        className={styles.go}
        icon={<ArrowRight />}
        disabled={text.trim() === ''}
        data-testid="open-room"
      >
        Open
      </Button>
    </form>
  );
}
