import { rankCandidates } from '@meridian/placement';
import { MeridianError, NodesQuery, NodesReply } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';
import { locateClient } from '../../location/locate.ts';

export const nodes: Route = (app, { cluster, locate, metrics }) => {
  app.route({
    method: 'GET',
    url: '/v1/nodes',
    config: { errors: ['cluster-unavailable'] },
    schema: {
      tags: ['sessions'],
      summary: 'Nodes for this client, best first, with load and state; measure the first `probe` of them',
      querystring: NodesQuery,
      response: { 200: NodesReply },
    },
    handler: async (request) => {
      const { lat, lon } = request.query;
      if ((lat === undefined) !== (lon === undefined)) {
        throw new MeridianError('bad-request', { message: 'querystring: lat and lon go together' });
      }
      const given = lat === undefined || lon === undefined ? undefined : { latitude: lat, longitude: lon };
      const { location, locatedBy } = locateClient(locate, given, request.ip);
      return metrics.step('rank-nodes', async () => {
        const ranking = rankCandidates({ nodes: await cluster.registry.list(), location });
        return { ...ranking, location: location ?? null, locatedBy };
      });
    },
  });
};
