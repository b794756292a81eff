import { fileURLToPath } from 'node:url';
import { Coordinates, MeridianError } from '@meridian/protocol';
import { open } from 'maxmind';
import { z } from 'zod';
import { publicAddress } from './address.ts';
import { placeOfCountry } from './countries.ts';

/** Where a client is, by its address; undefined where that is not known. */
export type Locate = (address: string) => Coordinates | undefined;

/** The database that comes with the service: countries, CC0. */
const BUNDLED = new URL(
  '../../node_modules/@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb',
  import.meta.url,
);

/** The shapes in use: MaxMind's (nested) and ip-location-db's (flat), with a point or only a country. */
const Point = z.object({ latitude: z.number(), longitude: z.number() });
const Place = z.object({
  latitude: z.number().optional(),
  longitude: z.number().optional(),
  location: Point.partial().optional(),
  country_code: z.string().optional(),
  country: z.object({ iso_code: z.string().optional() }).optional(),
});

/**
 * Opens a location database in MaxMind's format. `bundled` is the country database that comes along,
 * `none` switches locating off, anything else is the path of a file (a city database is more exact).
 * @throws MeridianError `config-invalid` when the file is missing or not such a database
 */
export async function openGeoip(database: string): Promise<Locate> {
  if (database === 'none') return () => undefined;
  const path = database === 'bundled' ? fileURLToPath(BUNDLED) : database;
  const reader = await open(path).catch((cause: unknown) => {
    throw new MeridianError('config-invalid', {
      message: `The location database ${path} cannot be read; correct MERIDIAN_GEOIP_DB or set it to none.`,
      cause,
    });
  });
  return (address) => {
    const looked = publicAddress(address);
    return looked === undefined ? undefined : placeOf(reader.get(looked));
  };
}

/** The point of a database record, or the middle of its country. */
export function placeOf(record: unknown): Coordinates | undefined {
  const parsed = Place.safeParse(record);
  if (!parsed.success) return undefined;
  const { latitude, longitude, location, country_code: code, country } = parsed.data;
  for (const point of [location, { latitude, longitude }]) {
    const coordinates = Coordinates.safeParse(point);
    if (coordinates.success) return coordinates.data;
  }
  return placeOfCountry(code ?? country?.iso_code ?? '');
}
