import { toSdkError } from '@meridian/client';
import { Plus } from 'lucide-react';
import { type FormEvent, useState } from 'react';
import { messageOf } from '../errors/messages.ts';
import { navigate } from '../router.ts';
import { account, api } from '../service.ts';
import { Button } from '../ui/button.tsx';
import { Field } from '../ui/field.tsx';
import { Switch } from '../ui/switch.tsx';
import styles from './create-room.module.css';
import { slugOf } from './slug.ts';

/** A new room, with a name if one is wanted, and straight into it. */
export function CreateRoom() {
  const [title, setTitle] = useState('');
  const [isPrivate, setPrivate] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const slug = slugOf(title);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      const name = title.trim();
      const room = await account.with((userToken) =>
        api.createRoom(userToken, {
          ...(name === '' ? {} : { title: name }),
          ...(slug === undefined ? {} : { slug }),
          visibility: isPrivate ? 'private' : 'public',
        }),
      );
      navigate(room.path);
    } catch (thrown) {
      const error = toSdkError(thrown);
      setProblem(
        error.code === 'room-slug-taken' ? 'This name is taken; choose another one.' : messageOf(error.code).title,
      );
      setBusy(false);
    }
  };

  return (
    <form className={styles.form} onSubmit={submit}>
      <Field
        label="Room name"
        value={title}
        maxLength={60}
        placeholder="Optional, such as Weekly with Singapore"
        onChange={(event) => setTitle(event.target.value)}
        hint={slug === undefined ? undefined : `Its address: ${window.location.host}/r/${slug}`}
        problem={problem}
        data-testid="room-name"
      />
      <div className={styles.row}>
        <Switch
          label="Private"
          hint="Only with an invitation"
          checked={isPrivate}
          onChange={setPrivate}
          testId="room-private"
        />
        <Button type="submit" look="primary" size="large" icon={<Plus />} busy={busy} data-testid="create-room">
          New room
        </Button>
      </div>
    </form>
  );
}
