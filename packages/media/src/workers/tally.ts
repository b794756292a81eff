import type { types } from 'mediasoup';
import type { Closable } from '../closable.ts';

/** How many open objects there are; kept by mediasoup's observers, so it includes those of local pipes. */
export interface Tally {
  routers: number;
  transports: number;
  producers: number;
  consumers: number;
}

export const emptyTally = (): Tally => ({ routers: 0, transports: 0, producers: 0, consumers: 0 });

const count = (tallies: readonly Tally[], key: keyof Tally, object: Closable): void => {
  if (object.closed) return;
  for (const tally of tallies) tally[key]++;
  object.observer.once('close', () => {
    for (const tally of tallies) tally[key]--;
  });
};

/** Counts a router and all that will be made on it, until each closes. */
export function countRouter(router: types.Router, tallies: readonly Tally[]): void {
  count(tallies, 'routers', router);
  router.observer.on('newtransport', (transport) => {
    count(tallies, 'transports', transport);
    transport.observer.on('newproducer', (producer) => count(tallies, 'producers', producer));
    transport.observer.on('newconsumer', (consumer) => count(tallies, 'consumers', consumer));
  });
}
