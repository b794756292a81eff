import { describe, expect, test } from 'vitest';
import { publicAddress } from '../../src/location/address.ts';
import { placeOfCountry } from '../../src/location/countries.ts';
import { openGeoip, placeOf } from '../../src/location/geoip.ts';
import { locateClient } from '../../src/location/locate.ts';

describe('addresses', () => {
  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '192.168.1.1',
    '172.31.0.1',
    '100.64.0.1',
    '169.254.1.1',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '2001:db8::1',
    'unix:',
    '',
  ])('of private and reserved ranges have no place: %s', (address) => {
    expect(publicAddress(address)).toBeUndefined();
  });

  test('that are public are looked up, IPv4 in IPv6 clothing as IPv4', () => {
    expect(publicAddress('8.8.8.8')).toBe('8.8.8.8');
    expect(publicAddress('::ffff:8.8.8.8')).toBe('8.8.8.8');
    expect(publicAddress('2001:888::1')).toBe('2001:888::1');
    expect(publicAddress('172.32.0.1')).toBe('172.32.0.1');
  });
});

describe('locating', () => {
  test('the bundled database knows countries', async () => {
    const locate = await openGeoip('bundled');

    expect(locate('145.97.1.1')).toEqual(placeOfCountry('NL'));
    expect(locate('2001:888::1')).toEqual(placeOfCountry('NL'));
    expect(locate('127.0.0.1')).toBeUndefined();
  });

  test('city databases of both shapes give a point, and the country stands in where there is none', () => {
    const point = { latitude: 10.8, longitude: 106.7 };

    expect(placeOf({ location: point, country: { iso_code: 'NL' } })).toEqual(point);
    expect(placeOf({ ...point, country_code: 'NL' })).toEqual(point);
    expect(placeOf({ country: { iso_code: 'VN' } })).toEqual(placeOfCountry('VN'));
    expect(placeOf({ country_code: 'ZZ' })).toBeUndefined();
    expect(placeOf(null)).toBeUndefined();
  });

  test('a country code that is no country finds nothing', () => {
    expect(placeOfCountry('constructor')).toBeUndefined();
    expect(placeOfCountry('nl')).toEqual(placeOfCountry('NL'));
  });

  test('can be switched off, and a missing database is a clear error', async () => {
    expect((await openGeoip('none'))('145.97.1.1')).toBeUndefined();
    await expect(openGeoip('/nowhere/cities.mmdb')).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('/nowhere/cities.mmdb'),
    });
  });

  test('what the client says wins over what its address says', () => {
    const here = { latitude: 1, longitude: 2 };
    const locate = () => ({ latitude: 50, longitude: 4 });

    expect(locateClient(locate, here, '8.8.8.8')).toEqual({ location: here, locatedBy: 'given' });
    expect(locateClient(locate, undefined, '8.8.8.8').locatedBy).toBe('geoip');
    expect(locateClient(() => undefined, undefined, '127.0.0.1')).toEqual({ location: undefined, locatedBy: 'none' });
  });
});
