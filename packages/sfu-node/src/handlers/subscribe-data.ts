import { requireGrant } from '../rooms/grants.ts';
import { withDeadline } from '../with-deadline.ts';
import { free, type Handler } from './context.ts';

const SUBSCRIBE_TIMEOUT_MS = 10_000;

export const subscribeData: Handler<'subscribe-data'> = {
  order: () => free,
  async handle({ dataProducerId }, { services, session }) {
    const { participant } = session;
    requireGrant(participant.grants, 'subscribe');
    const opening = participant.dataSubscriptions.subscribe(dataProducerId);
    const opened = await withDeadline(services.clock, SUBSCRIBE_TIMEOUT_MS, opening);
    return participant.answerWithData(opened);
  },
};
