/**
 * Runs in the page before any of its scripts: remembers every RTCPeerConnection, so that a test can
 * read what the browser itself measures, independent of the SDK; and reads the tiles of the web app.
 */
export const PEER_CONNECTION_PROBE = `(() => {
  const all = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = new Proxy(Native, {
    construct(target, args) {
      const made = new target(...args);
      all.push(made);
      return made;
    },
  });
  window.__meridianProbe = {
    async reports() {
      const reports = [];
      for (const connection of all) {
        if (connection.connectionState === 'closed') continue;
        for (const report of (await connection.getStats()).values()) reports.push(report);
      }
      return reports;
    },
    tiles() {
      return [...document.querySelectorAll('[data-testid="tile"]')].map((tile) => {
        const source = tile.querySelector('video')?.srcObject;
        const track = source instanceof MediaStream ? source.getVideoTracks()[0] : undefined;
        return {
          sessionId: tile.dataset.sessionId ?? '',
          name: tile.querySelector('[data-testid="tile-name"]')?.textContent?.trim() ?? '',
          nodeId: tile.dataset.node ?? '',
          region: tile.dataset.region ?? '',
          muted: tile.dataset.muted === 'true',
          hasVideo: tile.dataset.hasVideo === 'true',
          trackId: track?.id ?? null,
        };
      });
    },
  };
})();`;

/** The fields of RTCStats that the tests read (W3C webrtc-stats). */
export interface RtcReport {
  readonly id: string;
  readonly type: string;
  readonly kind?: string;
  readonly rid?: string;
  readonly scalabilityMode?: string;
  readonly mimeType?: string;
  readonly codecId?: string;
  readonly trackIdentifier?: string;
  readonly framesDecoded?: number;
  readonly framesEncoded?: number;
  readonly frameWidth?: number;
  readonly frameHeight?: number;
  readonly packetsReceived?: number;
  readonly bytesReceived?: number;
  readonly bytesSent?: number;
  readonly totalAudioEnergy?: number;
  readonly totalSamplesReceived?: number;
  readonly freezeCount?: number;
  readonly state?: string;
  readonly nominated?: boolean;
  readonly currentRoundTripTime?: number;
}
