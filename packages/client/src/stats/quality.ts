/** What a person notices of a connection. */
export type Quality = 'good' | 'fair' | 'poor' | 'unknown';

export interface PathFigures {
  /** Round trip time, milliseconds. */
  readonly rttMs: number | null;
  /** 0 to 1. */
  readonly lossFraction: number | null;
  readonly jitterMs: number | null;
}

/**
 * From these values on calls were rated poor: RTT 320 ms, loss 1.2 %, jitter 12 ms (Jiang et al., "VIA:
 * Improving Internet Telephony Call Quality Using Predictive Relay Selection", SIGCOMM 2016).
 */
export const POOR = { rttMs: 320, lossFraction: 0.012, jitterMs: 12 } as const;

/** From half of a threshold on a path is `fair`: worth a glance, not yet bad. */
const FAIR_SHARE = 0.5;

/** The worst figure decides; a path without any figure is `unknown`. */
export function qualityOf({ rttMs, lossFraction, jitterMs }: PathFigures): Quality {
  const shares = [
    rttMs === null ? null : rttMs / POOR.rttMs,
    lossFraction === null ? null : lossFraction / POOR.lossFraction,
    jitterMs === null ? null : jitterMs / POOR.jitterMs,
  ].filter((share) => share !== null);
  if (shares.length === 0) return 'unknown';
  const worst = Math.max(...shares);
  if (worst >= 1) return 'poor';
  return worst >= FAIR_SHARE ? 'fair' : 'good';
}
