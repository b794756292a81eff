import { type Dashboard, quantiles, query, rate, row, share, stat, time } from './panels.ts';

const here = 'node=~"$node"';

/** One node (or a chosen few) in depth. */
export const node: Dashboard = {
  uid: 'meridian-node',
  title: 'Meridian: node',
  description: 'One node: media, workers, signalling, the bus and Redis as it sees them.',
  variables: [{ name: 'node', label: 'Node', metric: 'meridian_info' }],
  panels: [
    stat('Participants', `sum(meridian_participants{${here}})`),
    stat('Sessions', `sum(meridian_sessions{${here}})`),
    stat('Rooms', `sum(meridian_rooms{${here}})`),
    stat('Producers', `sum(meridian_producers{${here}})`, { help: 'Relayed ones included.' }),
    stat('Consumers', `sum(meridian_consumers{${here}})`, { help: 'Those of relays included.' }),
    stat('Transports', `sum(meridian_transports{${here}})`),

    row('Media'),
    time('Bit rate', [rate('meridian_media_bytes_total', ['leg', 'kind'], here, ' * 8')], { unit: 'bps' }),
    time('Packets', [rate('meridian_media_packets_total', ['leg', 'kind'], here)], { unit: 'pps' }),
    time(
      'Packet loss',
      [share('meridian_media_packets_lost_total', 'meridian_media_packets_total', ['leg', 'kind'], here)],
      { unit: 'percentunit' },
    ),
    time('Loss of single streams', quantiles('meridian_leg_loss_ratio', { by: ['leg'], where: here, of: [0.95] }), {
      unit: 'percentunit',
      help: '95 of 100 streams lose no more than this.',
    }),
    time('Round trip time', quantiles('meridian_leg_rtt_seconds', { by: ['leg'], where: here }), { unit: 's' }),
    time('Jitter', quantiles('meridian_leg_jitter_seconds', { by: ['leg'], where: here }), { unit: 's' }),
    time(
      'Repair',
      [
        rate('meridian_media_packets_retransmitted_total', ['leg'], here),
        query(`sum by (leg) (rate(meridian_media_nacks_total{${here}}[$__rate_interval]))`, 'NACKs {{leg}}'),
      ],
      { unit: 'pps', help: 'Packets sent again, and NACKs that asked for them.' },
    ),
    time(
      'Key frames',
      [
        query(`sum by (leg) (rate(meridian_media_plis_total{${here}}[$__rate_interval]))`, 'PLI {{leg}}'),
        query(`sum by (leg) (rate(meridian_media_firs_total{${here}}[$__rate_interval]))`, 'FIR {{leg}}'),
        query(`sum by (leg) (rate(meridian_media_key_frames_total{${here}}[$__rate_interval]))`, 'seen {{leg}}'),
      ],
      { unit: 'ops' },
    ),
    time(
      'Relay links',
      [query(`sum by (role, remote_region) (meridian_relay_links{${here}})`, '{{role}} {{remote_region}}')],
      { help: 'puller: media comes in from there; origin: media goes out to there.' },
    ),

    row('Workers'),
    time('CPU', [rate('meridian_worker_cpu_seconds_total', ['node', 'worker'], here)], { unit: 'percentunit' }),
    time('Memory', [query(`meridian_worker_resident_memory_bytes{${here}}`, '{{node}} {{worker}}')], { unit: 'bytes' }),
    time('Consumers and routers', [
      query(`meridian_worker_consumers{${here}}`, 'consumers {{node}} {{worker}}'),
      query(`meridian_worker_routers{${here}}`, 'routers {{node}} {{worker}}'),
    ]),

    row('Signalling'),
    time(
      'Requests, p95 by method',
      quantiles('meridian_request_seconds', { by: ['method'], where: here, of: [0.95] }),
      {
        unit: 's',
      },
    ),
    time('Requests by outcome', [rate('meridian_request_seconds_count', ['outcome'], here)], { unit: 'ops' }),
    time('Attachment, p95 by step', quantiles('meridian_attach_seconds', { by: ['step'], where: here, of: [0.95] }), {
      unit: 's',
    }),
    time('Join, p95 by step', quantiles('meridian_join_seconds', { by: ['step'], where: here, of: [0.95] }), {
      unit: 's',
    }),
    time('Frames', [rate('meridian_ws_frames_total', ['direction', 'type'], here)], { unit: 'ops' }),
    time('Connections', [
      query(`sum by (node) (meridian_connections{${here}})`, 'open {{node}}'),
      query(`sum by (code) (rate(meridian_ws_closes_total{${here}}[$__rate_interval]))`, 'closed with {{code}}, 1/s'),
    ]),
    time(
      'Held back',
      [
        rate('meridian_ws_notifications_dropped_total', ['event'], here),
        query(
          `sum by (node) (rate(meridian_ws_rate_limited_total{${here}}[$__rate_interval]))`,
          'rate limited {{node}}',
        ),
      ],
      { unit: 'ops', help: 'Notifications dropped for slow readers, frames refused because there were too many.' },
    ),

    row('Cluster'),
    time(
      'Bus requests, p95 by method',
      quantiles('meridian_bus_request_seconds', { by: ['method'], where: here, of: [0.95] }),
      {
        unit: 's',
      },
    ),
    time('Bus requests by outcome', [rate('meridian_bus_request_seconds_count', ['outcome'], here)], { unit: 'ops' }),
    time(
      'Redis commands, p99',
      quantiles('meridian_redis_command_seconds', { by: ['command'], where: here, of: [0.99] }),
      {
        unit: 's',
      },
    ),
    time('Redis failures', [rate('meridian_redis_failures_total', ['command'], here)], { unit: 'ops' }),
    time('Changes waiting for Redis', [query(`sum by (node) (meridian_chores{${here}})`, '{{node}}')]),

    row('Process'),
    time('Event-loop delay', [query(`meridian_event_loop_delay_seconds{${here}}`, '{{node}} p{{quantile}}')], {
      unit: 's',
    }),
    time('CPU of the Node process', [rate('meridian_process_cpu_seconds_total', ['node'], here)], {
      unit: 'percentunit',
    }),
    time(
      'Memory of the Node process',
      [
        query(`meridian_process_resident_memory_bytes{${here}}`, 'resident {{node}}'),
        query(`meridian_nodejs_heap_size_used_bytes{${here}}`, 'heap {{node}}'),
      ],
      { unit: 'bytes' },
    ),
  ],
};
