/** The fields of W3C webrtc-stats that are read here; browsers leave out what they do not measure. */
export interface StatsReport {
  readonly type: string;
  readonly id: string;
  readonly kind?: string;
  readonly trackIdentifier?: string;
  readonly rid?: string;
  readonly nominated?: boolean;
  readonly state?: string;
  /** Seconds. */
  readonly currentRoundTripTime?: number;
  readonly availableOutgoingBitrate?: number;
  readonly packetsLost?: number;
  readonly packetsReceived?: number;
  readonly bytesReceived?: number;
  readonly bytesSent?: number;
  /** Seconds. */
  readonly jitter?: number;
  /** 0 to 1, of the peer's last receiver report. */
  readonly fractionLost?: number;
  readonly framesDecoded?: number;
  readonly framesPerSecond?: number;
  readonly frameWidth?: number;
  readonly frameHeight?: number;
}

const NUMBERS = [
  'currentRoundTripTime',
  'availableOutgoingBitrate',
  'packetsLost',
  'packetsReceived',
  'bytesReceived',
  'bytesSent',
  'jitter',
  'fractionLost',
  'framesDecoded',
  'framesPerSecond',
  'frameWidth',
  'frameHeight',
] as const satisfies readonly (keyof StatsReport)[];

/** The reports of one peer connection, with every field checked for its type. */
export function readReports(report: RTCStatsReport): StatsReport[] {
  const reports: StatsReport[] = [];
  report.forEach((entry: unknown) => {
    const read = readReport(entry);
    if (read !== undefined) reports.push(read);
  });
  return reports;
}

function readReport(entry: unknown): StatsReport | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(entry));
  const type = fields.get('type');
  const id = fields.get('id');
  if (typeof type !== 'string' || typeof id !== 'string') return undefined;
  const numbers: Partial<Record<(typeof NUMBERS)[number], number>> = {};
  for (const name of NUMBERS) {
    const value = fields.get(name);
    if (typeof value === 'number') numbers[name] = value;
  }
  const texts: { kind?: string; trackIdentifier?: string; rid?: string; state?: string } = {};
  for (const name of ['kind', 'trackIdentifier', 'rid', 'state'] as const) {
    const value = fields.get(name);
    if (typeof value === 'string') texts[name] = value;
  }
  return { type, id, ...numbers, ...texts, nominated: fields.get('nominated') === true };
}

/** Round trip time of the candidate pair in use, milliseconds. */
export function pathRttMs(reports: readonly StatsReport[]): number | null {
  const pair = reports.find((one) => one.type === 'candidate-pair' && one.nominated && one.state === 'succeeded');
  return pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1_000;
}
