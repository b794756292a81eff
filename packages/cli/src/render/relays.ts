import type { RoomId, RoomSlug } from '@meridian/protocol';
import type { RelayHalf, RelayLink, Unanswered } from '../relays.ts';
import { bytes, count, duration, milliseconds, NONE, orNone, percent } from './format.ts';
import { type Column, harmless, table } from './table.ts';

/** The half that tells a figure: the puller receives the media, so it is asked first. */
const told = <T>(link: RelayLink, read: (half: RelayHalf) => T): T | undefined => {
  const half = link.puller ?? link.origin;
  return half === null ? undefined : read(half);
};

/** Media bytes from the origin to the puller, as the receiver counted them, else as the sender did. */
const carried = (link: RelayLink): number => link.puller?.bytesReceived ?? link.origin?.bytesSent ?? 0;

function columns(options: {
  nowMs: number;
  nameOf?: (roomId: RoomId) => RoomSlug | undefined;
}): readonly Column<RelayLink>[] {
  const { nowMs, nameOf } = options;
  const room: Column<RelayLink>[] = nameOf
    ? [{ head: 'room', cell: (link) => nameOf(link.roomId) ?? link.roomId }]
    : [];
  return [
    ...room,
    { head: 'from', cell: (link) => link.originNodeId },
    { head: 'to', cell: (link) => link.pullerNodeId },
    { head: 'streams', cell: (link) => told(link, (half) => half.producers) ?? NONE, align: 'right' },
    { head: 'data', cell: (link) => told(link, (half) => half.dataProducers) ?? NONE, align: 'right' },
    { head: 'rtt', cell: (link) => orNone(link.puller?.rttMs ?? link.origin?.rttMs, milliseconds), align: 'right' },
    {
      head: 'jitter',
      cell: (link) => orNone(link.puller?.jitterMs ?? link.origin?.jitterMs, milliseconds),
      align: 'right',
    },
    {
      head: 'loss',
      cell: (link) => orNone(link.puller?.lossFraction ?? link.origin?.lossFraction, (loss) => percent(loss, 2)),
      align: 'right',
    },
    { head: 'carried', cell: (link) => bytes(carried(link)), align: 'right' },
    {
      head: 'up for',
      cell: (link) =>
        orNone(
          told(link, (half) => half.openedAtMs),
          (at) => duration(nowMs - at),
        ),
      align: 'right',
    },
    { head: 'state', cell: stateOf },
    { head: 'link', cell: (link) => link.linkId },
  ];
}

const isDown = ({ puller }: RelayLink): boolean => puller?.down === true;

/** Says which half is missing, and whether the puller gets nothing through it although the origin sends. */
function stateOf(link: RelayLink): string {
  const held = halvesOf(link);
  if (!isDown(link)) return held;
  return link.state === 'whole' ? 'down: nothing comes through' : `${held}, nothing comes through`;
}

function halvesOf(link: RelayLink): string {
  const missing = link.origin === null ? link.originNodeId : link.pullerNodeId;
  switch (link.state) {
    case 'whole':
      return 'whole';
    case 'half':
      return `half: ${missing} does not hold it`;
    case 'unknown':
      return `half: ${missing} did not say`;
  }
}

export function relayTable(
  links: readonly RelayLink[],
  options: { nowMs: number; nameOf?: (roomId: RoomId) => RoomSlug | undefined },
): string {
  if (links.length === 0) return 'no relay links';
  const down = links.filter(isDown).length;
  const sum = `${count(links.length, 'relay link')}${down === 0 ? '' : `, ${down} down`}`;
  return `${table(columns(options), links)}\n\n${sum}`;
}

/** One line for each node whose links are missing. */
export function unansweredLines(unanswered: readonly Unanswered[]): string[] {
  return unanswered.map(
    ({ nodeId, code, message }) => `${nodeId} did not tell its relay links: ${harmless(message)} [${code}]`,
  );
}
