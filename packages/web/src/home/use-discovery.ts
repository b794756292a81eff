import { discover, type MeasuredRtt, type SdkError, type Surroundings, toSdkError } from '@meridian/client';
import { useEffect, useState } from 'react';

export type Discovery =
  | { readonly state: 'looking' }
  | { readonly state: 'found'; readonly surroundings: Surroundings }
  | { readonly state: 'failed'; readonly error: SdkError };

/** The nodes of this service and how far they are from here, looked up once per visit. */
export function useDiscovery(): Discovery {
  const [discovery, setDiscovery] = useState<Discovery>({ state: 'looking' });
  useEffect(() => {
    const stop = new AbortController();
    discover(window.location.origin, { signal: stop.signal }).then(
      (surroundings) => setDiscovery({ state: 'found', surroundings }),
      (thrown: unknown) => {
        if (!stop.signal.aborted) setDiscovery({ state: 'failed', error: toSdkError(thrown) });
      },
    );
    return () => stop.abort();
  }, []);
  return discovery;
}

/** Milliseconds as people read them. */
export const rttText = (rtts: readonly MeasuredRtt[], nodeId: string): string | undefined => {
  const rtt = rtts.find((one) => one.nodeId === nodeId)?.rttMs;
  if (rtt === undefined) return undefined;
  return rtt < 1 ? '< 1 ms' : `${Math.round(rtt)} ms`;
};
