export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Of clients and nodes, by name. */
  readonly places: ReadonlyMap<string, Point>;
}

const WIDTH = 1_040;
/** Of the clients' columns, from the edges. */
const COLUMN = 80;
/** Of the outer nodes, from the edges: the labels of the lines to the clients have room. */
const CLEAR = 370;
const HEAD = 34;
const FOOT = 14;

/**
 * Where to draw clients and nodes. Clients of the first node stand on the left, those of the last on the right, those of nodes between
 * below them on both sides; a node is level with its clients, so that no line passes through another node.
 * @param at client -> node
 */
export function layOut(
  clients: readonly string[],
  nodes: readonly string[],
  at: Readonly<Record<string, string>>,
): Layout {
  const left: string[] = [];
  const right: string[] = [];
  for (const [index, node] of nodes.entries()) {
    const own = clients.filter((client) => at[client] === node);
    const half = Math.ceil(own.length / 2);
    const alone = nodes.length === 1;
    const onLeft = alone || (index > 0 && index < nodes.length - 1) ? half : index === 0 ? own.length : 0;
    left.push(...own.slice(0, onLeft));
    right.push(...own.slice(onLeft));
  }
  // Those of the last node come last, and belong on top.
  if (nodes.length > 2) right.unshift(...right.splice(right.findIndex((client) => at[client] === nodes.at(-1))));
  const rows = Math.max(1, left.length, right.length);
  const row = rows > 2 ? 78 : 64;
  const places = new Map<string, Point>();
  for (const [column, x] of [
    [left, COLUMN],
    [right, WIDTH - COLUMN],
  ] as const) {
    for (const [index, client] of column.entries()) places.set(client, { x, y: HEAD + (index + 0.5) * row });
  }
  for (const [index, node] of nodes.entries()) {
    const levels = clients.filter((client) => at[client] === node).map((client) => places.get(client)?.y ?? HEAD);
    const y = levels.reduce((sum, level) => sum + level, 0) / Math.max(1, levels.length);
    const outer = nodes.length > 1 && (index === 0 || index === nodes.length - 1);
    places.set(node, { x: !outer ? WIDTH / 2 : index === 0 ? CLEAR : WIDTH - CLEAR, y });
  }
  return { width: WIDTH, height: HEAD + rows * row + FOOT, places };
}
