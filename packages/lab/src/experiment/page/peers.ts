/** Kinds of reports that are recorded. The others repeat them or are of no use for a call's quality. */
const KEPT = new Set([
  'inbound-rtp',
  'outbound-rtp',
  'remote-inbound-rtp',
  'remote-outbound-rtp',
  'candidate-pair',
  'media-source',
  'media-playout',
  'codec',
]);
/** Fields that say nothing about quality, but much of the space. */
const DROPPED = new Set([
  'timestamp',
  'transportId',
  'mediaSourceId',
  'playoutId',
  'remoteId',
  'localId',
  'sdpFmtpLine',
  'decoderImplementation',
]);

export type Report = { id: string; type: string } & Record<string, unknown>;

/** Remembers every RTCPeerConnection of this page, for what the browser itself measures. */
export class Peers {
  readonly #all = new Set<RTCPeerConnection>();

  constructor() {
    const all = this.#all;
    window.RTCPeerConnection = new Proxy(window.RTCPeerConnection, {
      construct(target, args: ConstructorParameters<typeof RTCPeerConnection>) {
        const made = new target(...args);
        all.add(made);
        return made;
      },
    });
  }

  /** @param senderOf whose the track is, by its id */
  async reports(senderOf: (trackId: string) => string | undefined): Promise<Report[]> {
    const reports: Report[] = [];
    for (const connection of this.#all) {
      if (connection.connectionState === 'closed') {
        this.#all.delete(connection);
        continue;
      }
      const found: Report[] = [];
      (await connection.getStats()).forEach((entry: unknown) => {
        const report = asReport(entry);
        if (report !== undefined) found.push(report);
      });
      const sends = found.some(({ type }) => type === 'outbound-rtp');
      for (const report of found) {
        report.direction = sends ? 'up' : 'down';
        const sender = typeof report.trackIdentifier === 'string' ? senderOf(report.trackIdentifier) : undefined;
        if (sender !== undefined) report.sender = sender;
        // Ids are unique in one connection only.
        report.id = `${report.direction}-${report.id}`;
      }
      reports.push(...found);
    }
    return reports;
  }
}

function asReport(entry: unknown): Report | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const fields = Object.entries(entry).filter(([name]) => !DROPPED.has(name));
  const { id, type, ...rest } = Object.fromEntries<unknown>(fields);
  if (typeof id !== 'string' || typeof type !== 'string' || !KEPT.has(type)) return undefined;
  if (type === 'candidate-pair' && rest.nominated !== true) return undefined;
  return { ...rest, id, type };
}
