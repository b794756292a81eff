import { type Dashboard, type Query, quantiles, query, rate, row, share, stat, time } from './panels.ts';

/** `region` is where the metric was measured, `remote_region` the other end of the link. */
const pair = ['region', 'remote_region'];
const here = 'region=~"$region"';
const arrow = (one: Query, from: string, to: string): Query => ({
  ...one,
  legend: one.legend.replace('{{region}} {{remote_region}}', `{{${from}}} -> {{${to}}}`),
});
/** Measured by the puller: media flows from remote_region to region. */
const inwards = (one: Query): Query => arrow(one, 'remote_region', 'region');
const outwards = (one: Query): Query => arrow(one, 'region', 'remote_region');

/** The relays between regions: who relays how much to whom, and how well. */
export const relays: Dashboard = {
  uid: 'meridian-relays',
  title: 'Meridian: relays between regions',
  description: 'Relay links by pair of regions: volume, loss, round trip time, jitter, set-up.',
  variables: [{ name: 'region', label: 'Measured in', metric: 'meridian_info' }],
  panels: [
    stat('Links', `sum(meridian_relay_links{role="puller", ${here}})`, { width: 6 }),
    stat('Relayed in', `sum(rate(meridian_relay_bytes_total{direction="in", ${here}}[$__rate_interval])) * 8`, {
      unit: 'bps',
      width: 6,
    }),
    stat('Relayed out', `sum(rate(meridian_relay_bytes_total{direction="out", ${here}}[$__rate_interval])) * 8`, {
      unit: 'bps',
      width: 6,
    }),
    stat(
      'Share of media that is relayed',
      `sum(rate(meridian_media_bytes_total{leg="relay-in", ${here}}[$__rate_interval])) / sum(rate(meridian_media_bytes_total{leg=~"relay-in|client-up", ${here}}[$__rate_interval]))`,
      { unit: 'percentunit', width: 6, help: 'Of all that the nodes receive.' },
    ),

    row('Volume'),
    time('Links', [
      inwards(
        query(
          `sum by (region, remote_region) (meridian_relay_links{role="puller", ${here}})`,
          '{{region}} {{remote_region}}',
        ),
      ),
    ]),
    time('Bit rate in', [inwards(rate('meridian_relay_bytes_total', pair, `direction="in", ${here}`, ' * 8'))], {
      unit: 'bps',
    }),
    time('Bit rate out', [outwards(rate('meridian_relay_bytes_total', pair, `direction="out", ${here}`, ' * 8'))], {
      unit: 'bps',
    }),
    time('Packets in', [inwards(rate('meridian_relay_packets_total', pair, `direction="in", ${here}`))], {
      unit: 'pps',
    }),
    time('Packets out', [outwards(rate('meridian_relay_packets_total', pair, `direction="out", ${here}`))], {
      unit: 'pps',
    }),
    time('Bit rate in by kind', [rate('meridian_relay_bytes_total', ['kind'], `direction="in", ${here}`, ' * 8')], {
      unit: 'bps',
    }),

    row('Quality'),
    time(
      'Packet loss',
      [
        inwards(
          share('meridian_relay_packets_lost_total', 'meridian_relay_packets_total', pair, `direction="in", ${here}`),
        ),
      ],
      { unit: 'percentunit', help: 'A call is felt to be poor from 1.2 % on.' },
    ),
    time('Round trip time', quantiles('meridian_relay_rtt_seconds', { by: pair, where: here }).map(inwards), {
      unit: 's',
    }),
    time('Jitter', quantiles('meridian_relay_jitter_seconds', { by: pair, where: here }).map(inwards), { unit: 's' }),
    time(
      'Loss of single streams, p95',
      quantiles('meridian_relay_loss_ratio', { by: pair, where: here, of: [0.95] }).map(inwards),
      { unit: 'percentunit' },
    ),
    time(
      'Round trip time to clients, for comparison',
      quantiles('meridian_leg_rtt_seconds', { by: ['region', 'leg'], where: `leg=~"client-.*", ${here}` }),
      {
        unit: 's',
      },
    ),

    row('Coming and going'),
    time('Set-up, from asking to media', quantiles('meridian_relay_setup_seconds', { by: ['outcome'], where: here }), {
      unit: 's',
    }),
    time('Opened', [inwards(rate('meridian_relay_links_opened_total', pair, `role="puller", ${here}`))], {
      unit: 'ops',
    }),
    time('Ended by reason', [rate('meridian_relay_links_ended_total', ['role', 'reason'], here)], { unit: 'ops' }),
    time(
      'Bus requests for relays, p95',
      quantiles('meridian_bus_request_seconds', { by: ['method'], where: `method=~"relay.*", ${here}`, of: [0.95] }),
      { unit: 's' },
    ),
  ],
};
