/**
 * The order of the arms in each block: rotated, and mirrored in every second round of rotations. So each arm stands in
 * each place equally often, and a drift of the machine over a block falls on all of them alike.
 * @returns for each block the indices of the arms in the order in which they run
 * @throws RangeError for fewer than one arm or block
 */
export function armOrders(arms: number, blocks: number): number[][] {
  if (!Number.isInteger(arms) || arms < 1) throw new RangeError('a design needs at least one arm');
  if (!Number.isInteger(blocks) || blocks < 1) throw new RangeError('a design needs at least one block');
  const forward = Array.from({ length: arms }, (_, arm) => arm);
  return Array.from({ length: blocks }, (_, block) => {
    const round = Math.floor(block / arms);
    const row = round % 2 === 0 ? forward : [...forward].reverse();
    const shift = block % arms;
    // A B C, then C A B, then B C A.
    return row.map((_, place) => row[(place - shift + arms) % arms] ?? 0);
  });
}
