import type { Coordinates, NodesReply } from '@meridian/protocol';
import type { Locate } from './geoip.ts';

/** Where a client is: what it says about itself wins over what its address says. */
export function locateClient(
  locate: Locate,
  given: Coordinates | undefined,
  address: string,
): { location: Coordinates | undefined; locatedBy: NodesReply['locatedBy'] } {
  if (given !== undefined) return { location: given, locatedBy: 'given' };
  const location = locate(address);
  return { location, locatedBy: location === undefined ? 'none' : 'geoip' };
}
