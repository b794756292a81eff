import type { types } from 'mediasoup';

export type TransportState = 'connected' | 'disconnected' | 'failed';

/** One word for ICE and DTLS together; undefined while neither has got anywhere. */
export function transportState(ice: types.IceState, dtls: types.DtlsState): TransportState | undefined {
  if (dtls === 'failed' || dtls === 'closed') return 'failed';
  if (ice === 'disconnected') return 'disconnected';
  if (dtls === 'connected' && (ice === 'connected' || ice === 'completed')) return 'connected';
  return undefined;
}

/** Tells each change of a transport's state. */
export function watchTransport(transport: types.WebRtcTransport, changed: (state: TransportState) => void): void {
  let last: TransportState | undefined;
  const look = () => {
    // Closing sets both to closed; that is for the owner to tell.
    if (transport.closed) return;
    const state = transportState(transport.iceState, transport.dtlsState);
    if (state === undefined || state === last) return;
    last = state;
    changed(state);
  };
  transport.on('icestatechange', look);
  transport.on('dtlsstatechange', look);
}
