import { type Preparation, type SdkError, type Surroundings, toSdkError } from '@meridian/client';
import { MapPin, TriangleAlert } from 'lucide-react';
import { useEffect, useState } from 'react';
import { messageOf } from '../errors/messages.ts';
import { rttText } from '../home/use-discovery.ts';
import styles from './node-finder.module.css';

/** Says which media server is nearest, as soon as it has been measured. */
export function NodeFinder({ preparation }: { readonly preparation: Preparation }) {
  const [found, setFound] = useState<Surroundings | SdkError>();
  useEffect(() => {
    let current = true;
    preparation.surroundings.then(
      (surroundings) => current && setFound(surroundings),
      (thrown: unknown) => current && setFound(toSdkError(thrown)),
    );
    return () => {
      current = false;
    };
  }, [preparation]);

  if (found === undefined) {
    return (
      <p className={styles.finder} data-testid="node-finder" data-state="looking">
        <span className={styles.pulse} aria-hidden="true" />
        Finding the media server nearest to you …
      </p>
    );
  }
  if (found instanceof Error) {
    return (
      <p className={styles.trouble} data-testid="node-finder" data-state="failed" data-code={found.code}>
        <TriangleAlert aria-hidden="true" />
        {messageOf(found.code).title}
      </p>
    );
  }
  const { nearest, rtts, candidates } = found;
  if (candidates.length === 0) {
    return (
      <p className={styles.trouble} data-testid="node-finder" data-state="none">
        <TriangleAlert aria-hidden="true" />
        No media server is up right now
      </p>
    );
  }
  return (
    <p className={styles.finder} data-testid="node-finder" data-state="found" data-node={nearest?.node.nodeId}>
      <MapPin aria-hidden="true" />
      {nearest === null ? (
        'The service will choose a media server'
      ) : (
        <>
          Nearest server: <strong>{nearest.node.regionName}</strong>
          <span className={styles.rtt}>{rttText(rtts, nearest.node.nodeId)}</span>
        </>
      )}
    </p>
  );
}
