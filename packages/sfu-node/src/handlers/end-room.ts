import { requireGrant } from '../rooms/grants.ts';
import { free, type Handler } from './context.ts';

/**
 * Nobody gets back in for so long, so that an ended call is not joined again by people who were just on
 * their way in. The room itself stays: its owner opens it again by joining.
 */
const CLOSED_FOR_MS = 60_000;

/** Everybody goes, on every node: the state's `room-ended` event does it. */
export const endRoom: Handler<'end-room'> = {
  order: () => free,
  async handle(_data, { services, session }) {
    const { participant } = session;
    requireGrant(participant.grants, 'moderate');
    await services.roomState.end(participant.roomId, { closedForMs: CLOSED_FOR_MS });
    return {};
  },
};
