import type { Coordinates, NodeRecord, Region } from '@meridian/protocol';

/** Mean radius of the earth, kilometres (IUGG). */
const EARTH_RADIUS_KM = 6_371.0088;

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/**
 * Great-circle distance in kilometres by the haversine formula, which stays exact for points that
 * lie close together. The earth is taken as a sphere: wrong by 0.5 % at most.
 */
export function distanceKm(from: Coordinates, to: Coordinates): number {
  const latitude = Math.sin(radians(to.latitude - from.latitude) / 2);
  const longitude = Math.sin(radians(to.longitude - from.longitude) / 2);
  const chord =
    latitude * latitude + Math.cos(radians(from.latitude)) * Math.cos(radians(to.latitude)) * longitude * longitude;
  // Rounding can push antipodes a hair over 1, where asin is not defined.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** Nodes of one region usually stand at one place: what depends on the place alone is worked out once for them. */
export function perPlace<T>(work: (at: Coordinates) => T): (record: NodeRecord) => T {
  const byRegion = new Map<Region, { readonly at: Coordinates; readonly result: T }>();
  return ({ region, coordinates: at }) => {
    const known = byRegion.get(region);
    if (known !== undefined && known.at.latitude === at.latitude && known.at.longitude === at.longitude) {
      return known.result;
    }
    const result = work(at);
    byRegion.set(region, { at, result });
    return result;
  };
}
