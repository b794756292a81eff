import type { Fault } from '../fault.ts';
import { networkFaults } from './network.ts';
import { processFaults } from './processes.ts';
import { redisFaults } from './redis.ts';
import { scarcityFaults } from './scarcity.ts';
import { storeFaults } from './store.ts';

/** All faults, in the order of the table. */
export const FAULTS: readonly Fault[] = [
  ...processFaults,
  ...redisFaults,
  ...storeFaults,
  ...networkFaults,
  ...scarcityFaults,
];

/** @throws Error when there is none of that id */
export function faultCalled(id: string): Fault {
  const found = FAULTS.find((fault) => fault.id === id);
  if (found === undefined) throw new Error(`there is no fault ${id}`);
  return found;
}
