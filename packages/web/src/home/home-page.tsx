import { useEffect } from 'react';
import { Header } from '../ui/header.tsx';
import { CreateRoom } from './create-room.tsx';
import { Globe } from './globe.tsx';
import styles from './home-page.module.css';
import { MyRooms } from './my-rooms.tsx';
import { NodeList } from './node-list.tsx';
import { OpenRoom } from './open-room.tsx';
import { useDiscovery } from './use-discovery.ts';

const NONE: never[] = [];

export function HomePage() {
  const discovery = useDiscovery();
  const found = discovery.state === 'found' ? discovery.surroundings : undefined;
  useEffect(() => {
    document.title = 'Meridian';
  }, []);
  return (
    <div className={styles.page}>
      <Header />
      <main className={styles.main}>
        <div className={styles.left}>
          <h1 className={styles.title}>
            Far apart, <span className={styles.shine}>close by.</span>
          </h1>
          <p className={styles.lead}>
            Everybody joins at the media server nearest to them, and the servers carry the call between the continents.
          </p>
          <section className={styles.card} aria-label="Start or open a room">
            <CreateRoom />
            <div className={styles.or} role="presentation">
              or
            </div>
            <OpenRoom />
          </section>
          <MyRooms />
        </div>
        <aside className={styles.right} aria-label="Where the media servers are">
          <Globe nodes={found?.candidates ?? NONE} nearest={found?.nearest?.node.nodeId} />
          <NodeList discovery={discovery} />
        </aside>
      </main>
    </div>
  );
}
