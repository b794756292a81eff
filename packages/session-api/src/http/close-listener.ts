import type { Server } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** So long connections that wait are accepted at most before the listener closes all the same, milliseconds. */
const ACCEPT_MOST_MS = 2_000;
/** In a turn of the loop that takes longer, somebody may have come after it was looked, milliseconds. */
const SHORT_TURN_MS = 2;

/**
 * Stops listening in a moment when nobody waits to be accepted: a listener that closes resets the connections that are in
 * its queue, with the requests in them, and whoever balances requests must not send a POST again. A turn of the loop may
 * accept one of them only, so it takes as many turns as there are, and one in which nobody came. Idempotent.
 */
export async function closeListener(server: Server): Promise<void> {
  let accepted = 0;
  const count = () => {
    accepted += 1;
  };
  server.on('connection', count);
  const deadline = performance.now() + ACCEPT_MOST_MS;
  for (let isEmpty = false; !isEmpty && performance.now() < deadline; ) {
    const [before, since] = [accepted, performance.now()];
    await nextTurn();
    isEmpty = accepted === before && performance.now() - since < SHORT_TURN_MS;
  }
  server.off('connection', count);
  // Before anything else is done: whoever comes from now on is refused, and goes elsewhere.
  server.close();
}
