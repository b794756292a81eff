import type { SdkErrorCode } from '@meridian/client';
import type { ReactNode } from 'react';
import { navigate } from '../router.ts';
import { Button } from '../ui/button.tsx';
import { Header } from '../ui/header.tsx';
import { ErrorCard } from './error-card.tsx';
import styles from './error-page.module.css';

interface ErrorPageProps {
  readonly code: SdkErrorCode;
  /** What can be done; without it, the way home. */
  readonly actions?: ReactNode;
}

export function ErrorPage({ code, actions }: ErrorPageProps) {
  return (
    <div className={styles.page}>
      <Header />
      <main className={styles.main}>
        <ErrorCard code={code}>{actions ?? <Button onClick={() => navigate('/')}>Back to the start</Button>}</ErrorCard>
      </main>
    </div>
  );
}
