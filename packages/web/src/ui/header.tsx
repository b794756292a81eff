import { AccountMenu } from '../account/account-menu.tsx';
import { navigate } from '../router.ts';
import styles from './header.module.css';
import { Logo } from './logo.tsx';

/** The top of every page outside of a call. */
export function Header() {
  return (
    <header className={styles.header}>
      <a
        href="/"
        className={styles.home}
        aria-label="Meridian, to the start"
        onClick={(event) => {
          event.preventDefault();
          navigate('/');
        }}
      >
        <Logo />
      </a>
      <AccountMenu />
    </header>
  );
}
