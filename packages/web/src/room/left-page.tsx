import { LogIn } from 'lucide-react';
import { navigate, revisit } from '../router.ts';
import { Button } from '../ui/button.tsx';
import { Header } from '../ui/header.tsx';
import styles from './left-page.module.css';

/** After leaving on purpose. */
export function LeftPage({ title }: { readonly title: string }) {
  return (
    <div className={styles.page}>
      <Header />
      <main className={styles.main} data-testid="left-page">
        <h1 className={styles.title}>You have left</h1>
        <p className={styles.room}>{title}</p>
        <div className={styles.actions}>
          <Button look="primary" size="large" icon={<LogIn />} onClick={revisit} data-testid="rejoin-button">
            Join again
          </Button>
          <Button size="large" onClick={() => navigate('/')}>
            Back to the start
          </Button>
        </div>
      </main>
    </div>
  );
}
