import { requireGrant } from '../rooms/grants.ts';
import { withDeadline } from '../with-deadline.ts';
import { free, type Handler } from './context.ts';

/** A relay that cannot be had is tried again in the background; this request waits so long for it. */
const SUBSCRIBE_TIMEOUT_MS = 10_000;

export const subscribe: Handler<'subscribe'> = {
  // It may wait for a relay: nothing else waits for it.
  order: () => free,
  async handle({ producerId }, { services, session }) {
    const { participant } = session;
    requireGrant(participant.grants, 'subscribe');
    const opening = participant.subscriptions.subscribe(producerId);
    const opened = await withDeadline(services.clock, SUBSCRIBE_TIMEOUT_MS, opening);
    return participant.answerWith(opened);
  },
};
