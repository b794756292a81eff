import { messageOf } from '../errors/messages.ts';
import styles from './node-list.module.css';
import { type Discovery, rttText } from './use-discovery.ts';

const MOST = 6;

/** The media servers and how long the way to each is, measured from this browser. */
export function NodeList({ discovery }: { readonly discovery: Discovery }) {
  switch (discovery.state) {
    case 'looking':
      return <p className={styles.note}>Measuring the way to the nearest servers …</p>;
    case 'failed':
      return (
        <p className={styles.note} role="status">
          {messageOf(discovery.error.code).title}.
        </p>
      );
    case 'found': {
      const { candidates, rtts, nearest } = discovery.surroundings;
      if (candidates.length === 0) return <p className={styles.note}>No media server is up right now.</p>;
      return (
        <ul className={styles.list} aria-label="Media servers">
          {candidates.slice(0, MOST).map((node) => (
            <li key={node.nodeId} className={styles.item} data-near={node.nodeId === nearest?.node.nodeId || undefined}>
              <span className={styles.dot} aria-hidden="true" />
              <span className={styles.place}>{node.regionName}</span>
              <span className={styles.rtt}>
                {node.state === 'draining' ? 'in maintenance' : (rttText(rtts, node.nodeId) ?? '–')}
              </span>
            </li>
          ))}
        </ul>
      );
    }
  }
}
