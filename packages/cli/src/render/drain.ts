import type { BusReplyData, DrainProgress, NodeId } from '@meridian/protocol';
import { count, duration } from './format.ts';

type Status = BusReplyData<'node.drain'>;

/** Short, for a table: `draining, 12 left`. */
export function drainState(state: Status['state'], drain: DrainProgress | undefined): string {
  return drain === undefined ? state : `${state}, ${drain.left === 0 ? 'empty' : `${drain.left} left`}`;
}

/** One line on how far it is. */
export function drainLine(nodeId: NodeId, { state, drain }: Status, nowMs: number): string {
  if (drain === undefined) return `${nodeId}: ${state === 'ready' ? 'ready, takes sessions' : state}`;
  const { sessions, asked, moved, left, deadlineAtMs } = drain;
  const rest = left === 0 ? 'nobody is left' : `${left} left, ${duration(deadlineAtMs - nowMs)} to go`;
  return `${nodeId}: draining, ${asked} of ${count(sessions, 'session')} asked, ${moved} moved, ${rest}`;
}

/** How it ended; not complete where somebody had to be told to join again, or where it was taken back. */
export function drainResult(nodeId: NodeId, { drain }: Status): { text: string; complete: boolean } {
  if (drain === undefined) return { text: `${nodeId}: the drain was taken back`, complete: false };
  const { sessions, moved, told } = drain;
  const parts = [
    `${moved} moved`,
    ...(told === 0 ? [] : [`${told} told to join again`]),
    ...(sessions - moved - told <= 0 ? [] : [`${sessions - moved - told} left by themselves`]),
  ];
  return { text: `${nodeId}: drained; of ${count(sessions, 'session')} ${parts.join(', ')}`, complete: told === 0 };
}
