import type { RecordedRun } from '../record/run.ts';
import { increaseOf, numberIn, seriesOf } from './interpolate.ts';
import { quantile } from './numbers.ts';

/**
 * Where the time of a picture goes, ms. The legs are halves of round trips as the nodes measure them by RTCP, live, so they
 * know nothing of what the emulator was set to; what none of the measurements explains is `rest`.
 */
export interface Legs {
  /** Until it is encoded and sent: mean of the sender's encoder and pacer. */
  readonly encode: number | null;
  readonly clientUp: number | null;
  /** Null where both are attached to the same node. */
  readonly relay: number | null;
  readonly clientDown: number | null;
  /** From its last packet's arrival until the compositor had it: jitter buffer, decoder, screen. Measured per frame. */
  readonly play: number | null;
  /** Nodes, transmission of the further packets of a frame, waits for repeated packets, timers of the pages. */
  readonly rest: number;
  /** The median the parts add up to. */
  readonly total: number;
}

interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Undefined medians are null; null altogether where no picture was shown. */
export function legsOf(run: RecordedRun, sender: string, receiver: string, window: Window): Legs | null {
  const rows = run
    .of('frames')
    .filter((line) => line.sender === sender && line.receiver === receiver)
    .flatMap((line) => line.rows.filter(([, drawnMs]) => drawnMs >= window.fromMs && drawnMs < window.toMs));
  const total = quantile(
    rows.map(([, drawnMs, shownMs]) => shownMs - drawnMs),
    0.5,
  );
  if (total === null) return null;
  const play = quantile(
    rows.flatMap(([, , shownMs, receivedMs]) => (receivedMs === null ? [] : [shownMs - receivedMs])),
    0.5,
  );
  const parts = {
    encode: encodeMs(run, sender, window),
    ...networkLegs(run, sender, receiver, window),
    play,
  };
  const explained = Object.values(parts).reduce<number>((sum, part) => sum + (part ?? 0), 0);
  return { ...parts, rest: total - explained, total };
}

/** Halves of the round trips between two clients, ms, whether pictures were shown or not. */
export function networkLegs(
  run: RecordedRun,
  sender: string,
  receiver: string,
  window: Window,
): Pick<Legs, 'clientUp' | 'relay' | 'clientDown'> {
  const stats = run
    .of('node-stats')
    .filter(({ atMs }) => atMs >= window.fromMs && atMs <= window.toMs)
    .filter(({ client }) => client === sender || client === receiver);
  const half = (values: readonly (number | null)[]) => {
    const median = quantile(
      values.filter((value) => value !== null),
      0.5,
    );
    return median === null ? null : median / 2;
  };
  const of = (client: string) => stats.filter((line) => line.client === client);
  const arm = run.header.scenario.arms.find(({ name }) => name === run.header.arm);
  const [from, to] = [arm?.at[sender], arm?.at[receiver]];
  const relay =
    from === to
      ? null
      : half(
          of(receiver).flatMap(({ relays }) => relays.filter(({ node }) => node === from).map(({ rttMs }) => rttMs)),
        );
  return {
    // The node times what a sender that speaks RTCP XR sends; light peers time it themselves, by receiver reports.
    clientUp: half(of(sender).map(({ up }) => up.rttMs)) ?? half(ownRoundTrips(run, sender, window)),
    relay,
    // Their receiver reports answer no sender report, so the node cannot time this leg: it is the same round trip.
    clientDown: half(of(receiver).map(({ down }) => down.rttMs)) ?? half(ownRoundTrips(run, receiver, window)),
  };
}

const ownRoundTrips = (run: RecordedRun, client: string, window: Window): number[] =>
  run
    .of('stats')
    .filter((line) => line.client === client && line.atMs >= window.fromMs && line.atMs <= window.toMs)
    .flatMap(({ reports }) =>
      reports.flatMap((report) => {
        const tripS = report.type === 'remote-inbound-rtp' ? numberIn(report, 'roundTripTime') : undefined;
        return tripS === undefined ? [] : [tripS * 1_000];
      }),
    );

/** Mean time in encoder and pacer, ms, over all frames and packets the sender sent in the window. */
function encodeMs(run: RecordedRun, sender: string, window: Window): number | null {
  const rise = (field: string) =>
    increaseOf(
      seriesOf(
        run,
        sender,
        ({ type, kind }) => type === 'outbound-rtp' && kind === 'video',
        (report) => numberIn(report, field),
      ),
      window,
    );
  const [encoding, frames, pacing, packets] = [
    rise('totalEncodeTime'),
    rise('framesEncoded'),
    rise('totalPacketSendDelay'),
    rise('packetsSent'),
  ];
  if (encoding === undefined || frames === undefined || frames === 0) return null;
  const pacer = pacing === undefined || packets === undefined || packets === 0 ? 0 : pacing / packets;
  return (encoding / frames + pacer) * 1_000;
}
