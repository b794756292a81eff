import { LogOut, UserRound } from 'lucide-react';
import { useState } from 'react';
import { account } from '../service.ts';
import { Button } from '../ui/button.tsx';
import { useStore } from '../use-store.ts';
import { AccountDialog } from './account-dialog.tsx';
import styles from './account-menu.module.css';

/** Who is signed in, and the way in and out. */
export function AccountMenu() {
  const current = useStore(account);
  const [open, setOpen] = useState<'sign-in' | 'sign-up' | null>(null);
  if (current?.user.kind === 'account') {
    return (
      <div className={styles.menu}>
        <span className={styles.name} title={current.user.email}>
          <UserRound aria-hidden="true" />
          {current.user.name}
        </span>
        <Button look="quiet" size="small" icon={<LogOut />} onClick={() => account.signOut()}>
          Sign out
        </Button>
      </div>
    );
  }
  return (
    <div className={styles.menu}>
      <Button look="quiet" size="small" onClick={() => setOpen('sign-in')} data-testid="sign-in">
        Sign in
      </Button>
      <Button size="small" onClick={() => setOpen('sign-up')} data-testid="sign-up">
        Create account
      </Button>
      {open !== null && <AccountDialog mode={open} onMode={setOpen} onClose={() => setOpen(null)} />}
    </div>
  );
}
