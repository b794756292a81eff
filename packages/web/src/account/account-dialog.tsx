import { toSdkError } from '@meridian/client';
import { type FormEvent, useState } from 'react';
import { messageOf } from '../errors/messages.ts';
import { account } from '../service.ts';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import styles from './account-dialog.module.css';

type Mode = 'sign-in' | 'sign-up';

interface AccountDialogProps {
  readonly mode: Mode;
  readonly onMode: (mode: Mode) => void;
  readonly onClose: () => void;
}

/** Signing in and signing up: the same form, one field apart. */
export function AccountDialog({ mode, onMode, onClose }: AccountDialogProps) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const signUp = mode === 'sign-up';

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? '').trim();
    const credentials = { email: text('email'), password: String(form.get('password') ?? '') };
    setBusy(true);
    setProblem(undefined);
    try {
      if (signUp) await account.signUp({ ...credentials, name: text('name') });
      else await account.signIn(credentials);
      onClose();
    } catch (thrown) {
      const error = toSdkError(thrown);
      setProblem(error.code === 'bad-request' || error.code === 'bad-credentials' ? error.message : messageFor(error));
      setBusy(false);
    }
  };

  return (
    <Dialog title={signUp ? 'Create your account' : 'Welcome back'} onClose={onClose}>
      <form className={styles.form} onSubmit={submit}>
        {signUp && (
          <Field
            label="Your name"
            name="name"
            required
            maxLength={80}
            autoComplete="name"
            placeholder="As others see it"
          />
        )}
        <Field label="E-mail" name="email" type="email" required maxLength={254} autoComplete="email" />
        <Field
          label="Password"
          name="password"
          type="password"
          required
          minLength={signUp ? 8 : 1}
          maxLength={256}
          autoComplete={signUp ? 'new-password' : 'current-password'}
          hint={signUp ? 'At least 8 characters; a sentence is best.' : undefined}
        />
        {problem !== undefined && (
          <p className={styles.problem} role="alert">
            {problem}
          </p>
        )}
        <Button type="submit" look="primary" wide busy={busy}>
          {signUp ? 'Create account' : 'Sign in'}
        </Button>
      </form>
      <p className={styles.other}>
        {signUp ? 'You have an account?' : 'New here?'}{' '}
        <button type="button" className={styles.link} onClick={() => onMode(signUp ? 'sign-in' : 'sign-up')}>
          {signUp ? 'Sign in' : 'Create an account'}
        </button>
        , or{' '}
        <button type="button" className={styles.link} onClick={onClose}>
          go on as a guest
        </button>
        .
      </p>
    </Dialog>
  );
}

function messageFor(error: ReturnType<typeof toSdkError>): string {
  if (error.code === 'email-taken') return error.message;
  const { title, text } = messageOf(error.code);
  return `${title}. ${text}`;
}
