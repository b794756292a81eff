/** Who goes where. With `rooms` people are dealt out to so many rooms; without, one room of `perRoom` is filled after the other. */
export interface Layout {
  readonly rooms: number | undefined;
  readonly perRoom: number;
  /** Of each room, so many publish; the others only receive. */
  readonly publishers: number;
  /** Forced regions; none leaves the choice to the service. */
  readonly regions: readonly string[];
  /** All of a room at one node (nothing is relayed) instead of spread over the regions. */
  readonly together: boolean;
}

export interface Seat {
  readonly room: number;
  readonly publishes: boolean;
  readonly region: string | undefined;
}

/** The seat of the n-th participant, counted from 0. */
export function seatOf(index: number, { rooms, perRoom, publishers, regions, together }: Layout): Seat {
  const room = rooms === undefined ? Math.floor(index / perRoom) : index % rooms;
  const place = rooms === undefined ? index % perRoom : Math.floor(index / rooms);
  return {
    room,
    publishes: place < publishers,
    region: regions[(together ? room : place + room) % Math.max(1, regions.length)],
  };
}

/** Streams that everybody on these seats should receive: what others of the room publish, as far as they are wanted. */
export function streamsDue(
  seats: readonly number[],
  layout: Layout,
  kinds: number,
  most = Number.POSITIVE_INFINITY,
): number {
  const rooms = Map.groupBy(
    seats.map((index) => seatOf(index, layout)),
    ({ room }) => room,
  );
  let due = 0;
  for (const people of rooms.values()) {
    const publishing = people.filter(({ publishes }) => publishes).length;
    for (const { publishes } of people) due += Math.min(most, kinds * (publishing - Number(publishes)));
  }
  return due;
}

/** The lowest seat that nobody has. */
export function freeSeat(taken: Iterable<number>): number {
  const known = new Set(taken);
  let index = 0;
  while (known.has(index)) index += 1;
  return index;
}
