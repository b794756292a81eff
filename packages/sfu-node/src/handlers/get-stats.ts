import { free, type Handler } from './context.ts';

export const getStats: Handler<'get-stats'> = {
  order: () => free,
  async handle(_data, { services, session }) {
    const { participant } = session;
    const links = services.relays
      .links()
      .filter((link) => link.roomId === participant.roomId && link.role === 'puller');
    const [stats, relays] = await Promise.all([
      participant.media.stats(),
      Promise.all(
        links.map(async ({ remoteNodeId, end }) => {
          // A link may close while it is asked: then there is nothing to tell of it.
          const measured = await end.stats().catch(() => undefined);
          return measured === undefined
            ? []
            : [{ nodeId: remoteNodeId, rttMs: measured.rttMs, lossFraction: measured.lossFraction }];
        }),
      ),
    ]);
    return {
      up: stats.up,
      down: stats.down,
      availableOutgoingBitrate: stats.availableOutgoingBitrate,
      relays: relays.flat(),
      consumers: [...stats.consumers],
    };
  },
};
