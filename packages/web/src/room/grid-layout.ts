export interface GridLayout {
  readonly columns: number;
  readonly rows: number;
  /** Pixels. */
  readonly tileWidth: number;
  readonly tileHeight: number;
}

/** Tiles are never wider than a camera's picture, nor so narrow that too much of it is cut off. */
const WIDEST = 16 / 9;
const NARROWEST = { phone: 3 / 4, desk: 4 / 3 };
const PHONE_WIDTH = 560;

/** The number of columns that makes the tiles largest. All lengths in pixels. */
export function layoutGrid(count: number, width: number, height: number, gap: number): GridLayout {
  const narrowest = width < PHONE_WIDTH ? NARROWEST.phone : NARROWEST.desk;
  let best: GridLayout = { columns: 1, rows: Math.max(1, count), tileWidth: 0, tileHeight: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - gap * (columns - 1)) / columns;
    const cellHeight = (height - gap * (rows - 1)) / rows;
    if (cellWidth <= 0 || cellHeight <= 0) continue;
    const tileWidth = Math.floor(Math.min(cellWidth, cellHeight * WIDEST));
    const tileHeight = Math.floor(Math.min(cellHeight, tileWidth / narrowest));
    if (tileWidth * tileHeight > best.tileWidth * best.tileHeight) best = { columns, rows, tileWidth, tileHeight };
  }
  return best;
}
