import type { Coordinates } from '@meridian/protocol';

export interface LocalRegion {
  readonly nodeId: string;
  readonly region: string;
  readonly regionName: string;
  readonly coordinates: Coordinates;
}

/** The three nodes of the local cluster, where they would stand. */
export const LOCAL_REGIONS: readonly LocalRegion[] = [
  {
    nodeId: 'ams-1',
    region: 'eu-west',
    regionName: 'Amsterdam',
    coordinates: { latitude: 52.37, longitude: 4.9 },
  },
  {
    nodeId: 'sin-1',
    region: 'ap-southeast',
    regionName: 'Singapore',
    coordinates: { latitude: 1.35, longitude: 103.82 },
  },
  {
    nodeId: 'sgn-1',
    region: 'ap-vn',
    regionName: 'Ho Chi Minh City',
    coordinates: { latitude: 10.78, longitude: 106.7 },
  },
];
