import { type Dashboard, quantiles, query, rate, row, share, stat, time } from './panels.ts';

/** Everything at a glance: is the cluster well, how many people, how do they fare? */
export const cluster: Dashboard = {
  uid: 'meridian-cluster',
  title: 'Meridian: cluster',
  description: 'The whole cluster: people, media by leg, joins, placement, and what it stands on.',
  variables: [],
  panels: [
    stat('Nodes announced', 'sum(meridian_announced)', { help: 'Nodes that stand in the registry.' }),
    stat('Participants', 'sum(meridian_participants)'),
    stat('Sessions', 'sum(meridian_sessions)', { help: 'Attached sessions, in a room or not.' }),
    stat('Rooms on nodes', 'sum(meridian_rooms)', { help: 'A room on three nodes counts three times.' }),
    stat('Relay links', 'sum(meridian_relay_links{role="puller"})', {
      help: 'Directed links, counted at the pulling end.',
    }),
    stat('Redis', 'min(meridian_redis_up)', { help: '1 while every service reaches it.' }),

    row('People'),
    time('Participants by region', [query('sum by (region) (meridian_participants)', '{{region}}')], { stacked: true }),
    time('Sessions by node', [query('sum by (node) (meridian_sessions)', '{{node}}')], { stacked: true }),
    time('Ended sessions by reason', [rate('meridian_session_ends_total', ['reason'])], { unit: 'ops' }),

    row('Media'),
    time('Bit rate by leg', [rate('meridian_media_bytes_total', ['leg'], undefined, ' * 8')], {
      unit: 'bps',
      help: 'client-up and relay-in are received, client-down and relay-out are sent.',
    }),
    time('Packet loss by leg', [share('meridian_media_packets_lost_total', 'meridian_media_packets_total', ['leg'])], {
      unit: 'percentunit',
    }),
    time('Round trip time by leg', quantiles('meridian_leg_rtt_seconds', { by: ['leg'] }), { unit: 's' }),
    time('Jitter by leg', quantiles('meridian_leg_jitter_seconds', { by: ['leg'] }), { unit: 's' }),
    time('Key frames asked for (PLI)', [rate('meridian_media_plis_total', ['leg'])], { unit: 'ops' }),
    time('NACKs by leg', [rate('meridian_media_nacks_total', ['leg'])], { unit: 'ops' }),

    row('Joining'),
    time('Join on the node, by step', quantiles('meridian_join_seconds', { by: ['step'], of: [0.95] }), { unit: 's' }),
    time(
      'Join in the session service, by step',
      quantiles('meridian_join_step_seconds', { by: ['step'], of: [0.95] }),
      {
        unit: 's',
      },
    ),
    time('Placement decisions by reason', [rate('meridian_placement_decisions_total', ['reason'])], { unit: 'ops' }),
    time('Places asked for, by outcome', [rate('meridian_admissions_total', ['outcome'])], { unit: 'ops' }),
    time('Connections by outcome', [rate('meridian_attaches_total', ['outcome'])], { unit: 'ops' }),
    time('Lost connections that came back, by outcome', [rate('meridian_resumes_total', ['outcome'])], { unit: 'ops' }),
    time('Participants waiting to be resumed', [query('sum(meridian_participants_suspended)', 'participants')], {}),
    time('Chat lines stored', [query('sum(rate(meridian_chat_lines_stored_total[$__rate_interval]))', 'lines')], {
      unit: 'ops',
    }),

    row('Services'),
    time(
      'HTTP answers, p95 by route',
      quantiles('meridian_http_request_duration_seconds', { by: ['route'], of: [0.95] }),
      {
        unit: 's',
      },
    ),
    time('HTTP errors by code', [rate('meridian_http_errors_total', ['code'])], { unit: 'ops' }),
    time(
      'Redis commands, p99',
      [
        ...quantiles('meridian_redis_command_seconds', { by: ['node'], of: [0.99] }),
        ...quantiles('meridian_redis_command_duration_seconds', { by: ['job'], of: [0.99] }),
      ],
      { unit: 's' },
    ),
    time('Busiest worker of each node', [query('max by (node) (meridian_worker_cpu_ratio)', '{{node}}')], {
      unit: 'percentunit',
      help: '1 is a whole core; a worker cannot take more.',
    }),
    time(
      'Event-loop delay, p99',
      [
        query('max by (node) (meridian_event_loop_delay_seconds{quantile="0.99"})', '{{node}}'),
        query('max by (job) (meridian_nodejs_eventloop_lag_p99_seconds)', '{{job}}'),
      ],
      { unit: 's' },
    ),
    time(
      'Memory of the processes',
      [query('sum by (instance) (meridian_process_resident_memory_bytes)', '{{instance}}')],
      {
        unit: 'bytes',
      },
    ),
  ],
};
