import type { Server } from 'node:http';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** So long it is waited for a quiet moment, milliseconds. */
const QUIET_WITHIN_MS = 3_000;
/** After that the listener closes when nobody waits, and at the latest after this. */
const CLOSE_WITHIN_MS = 5_000;
/** In a turn of the loop that takes longer, somebody may have come after it was looked, milliseconds. */
const SHORT_TURN_MS = 2;

/**
 * Stops listening when nobody has come for `quietMs`, and in a moment when nobody waits to be accepted: a listener that
 * closes resets the connections in its queue, with the requests in them, and whoever balances requests must not send a POST
 * again. A turn of the loop may accept one of them only, so it takes as many turns as there are, and one in which nobody
 * came. Idempotent.
 */
export async function closeListener(server: Server, quietMs: number): Promise<void> {
  const started = performance.now();
  let quietSince = started;
  const someoneCame = () => {
    quietSince = performance.now();
  };
  server.on('connection', someoneCame);
  for (let isEmpty = false; !isEmpty; ) {
    const now = performance.now();
    const waitMs = now - started < QUIET_WITHIN_MS ? quietSince + quietMs - now : 0;
    if (waitMs > 0) await sleep(waitMs);
    const [before, since] = [quietSince, performance.now()];
    await nextTurn();
    const cameNobody = quietSince === before && performance.now() - since < SHORT_TURN_MS;
    const isLate = performance.now() - started > CLOSE_WITHIN_MS;
    isEmpty = isLate || (cameNobody && (waitMs <= 0 || since - before >= quietMs));
  }
  server.off('connection', someoneCame);
  // Before anything else is done: whoever comes from now on is refused, and goes elsewhere.
  server.close();
}
