import type { NodeView } from '@meridian/protocol';
import { drainState } from './drain.ts';
import { count, duration, percent } from './format.ts';
import { type Column, table } from './table.ts';

/** A clock that is right is not worth a look: seconds only beyond what a network explains. */
const clock = (offsetMs: number | undefined): string => {
  if (offsetMs === undefined) return '?';
  if (Math.abs(offsetMs) < 1_000) return 'ok';
  const seconds = Math.round(Math.abs(offsetMs) / 1_000);
  return `${seconds} s ${offsetMs > 0 ? 'behind' : 'ahead'}`;
};

const columns = (nowMs: number): readonly Column<NodeView>[] => [
  { head: 'node', cell: ({ record }) => record.nodeId },
  { head: 'region', cell: ({ record }) => record.region },
  { head: 'place', cell: ({ record }) => record.regionName },
  { head: 'state', cell: ({ record }) => drainState(record.state, record.drain) },
  { head: 'sessions', cell: ({ record: { load } }) => `${load.sessions}/${load.maxSessions}`, align: 'right' },
  { head: 'coming', cell: ({ reserved }) => reserved, align: 'right' },
  { head: 'rooms', cell: ({ record }) => record.load.rooms, align: 'right' },
  { head: 'consumers', cell: ({ record }) => record.load.consumers, align: 'right' },
  { head: 'workers', cell: ({ record }) => record.load.workers, align: 'right' },
  { head: 'cpu', cell: ({ record }) => percent(record.load.workerCpu), align: 'right' },
  { head: 'up for', cell: ({ record }) => duration(nowMs - record.startedAtMs), align: 'right' },
  { head: 'clock', cell: ({ record }) => clock(record.clockOffsetMs), align: 'right' },
  { head: 'version', cell: ({ record }) => record.version },
];

export function nodeTable(nodes: readonly NodeView[], nowMs: number): string {
  if (nodes.length === 0) return 'no nodes: none has announced itself lately';
  const sessions = nodes.reduce((sum, { record }) => sum + record.load.sessions, 0);
  const draining = nodes.filter(({ record }) => record.state === 'draining').length;
  return [
    table(columns(nowMs), nodes),
    '',
    [
      count(nodes.length, 'node'),
      ...(draining === 0 ? [] : [`${draining} of them draining`]),
      count(sessions, 'session'),
    ].join(', '),
  ].join('\n');
}
