import { requireGrant } from '../rooms/grants.ts';
import { free, type Handler } from './context.ts';

/** Everybody goes, on every node: the state's `room-ended` event does it. */
export const endRoom: Handler<'end-room'> = {
  order: () => free,
  async handle(_data, { services, session }) {
    const { participant } = session;
    requireGrant(participant.grants, 'moderate');
    await services.roomState.end(participant.roomId);
    return {};
  },
};
