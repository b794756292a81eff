import { isMeridianError } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import { LinkSettings } from '../../src/wan/model/settings.ts';
import { linksOf, parseProfile, readProfiles } from '../../src/wan/profiles.ts';

const text = (link: string, more = '') => `
name: a-line
kind: backbone
description: A line.
ends: [here, there]
sources: [{ figure: RTT 10 ms, basis: assumed, from: a test }]
both:
${link}
${more}`;

const complaintOf = (yaml: string, file = 'a-line.yaml'): string => {
  try {
    parseProfile(yaml, file);
  } catch (error) {
    if (isMeridianError(error, 'config-invalid')) return error.message;
    throw error;
  }
  return 'no complaint';
};

describe('the profiles of this package', () => {
  it('are all valid and say of each where its figures come from', async () => {
    const profiles = await readProfiles();
    expect([...profiles.keys()]).toEqual(
      expect.arrayContaining([
        'amsterdam-singapore',
        'singapore-hcmc',
        'amsterdam-hcmc',
        'home-fibre',
        'mobile-4g',
        'viettel-mobile',
      ]),
    );
    for (const profile of profiles.values()) expect(profile.sources.length).toBeGreaterThan(0);
  });

  it('put Amsterdam and Singapore 181 ms apart, and cut a cable at 30 s', async () => {
    const profiles = await readProfiles();
    const line = profiles.get('amsterdam-singapore');
    expect((line?.forward.delayMs ?? 0) + (line?.backward.delayMs ?? 0)).toBe(181);
    expect(profiles.get('amsterdam-hcmc-cable-cut')?.forward.schedule[0]).toEqual({
      atS: 30,
      change: { outage: true },
    });
  });
});

describe('a profile file', () => {
  it('gives two links, named after the profile or as asked', () => {
    const profile = parseProfile(text('  delayMs: 5'), 'dir/a-line.yaml');
    expect(linksOf(profile, 'anna')).toEqual({
      'anna/forward': LinkSettings.parse({ delayMs: 5 }),
      'anna/backward': LinkSettings.parse({ delayMs: 5 }),
    });
  });

  it.each([
    ['an unknown key', text('  delayMs: 5\n  latencyMs: 5'), /a-line\.yaml: both: .*latencyMs/],
    ['a value of the wrong kind', text('  delayMs: five'), /both\.delayMs: .*number/],
    ['several at once', text('  delayMs: -1\n  rateBps: 1'), /both\.delayMs: .*both\.rateBps: /],
    [
      'jitter that would need packets from the future',
      text('  delayMs: 2\n  jitter: { distribution: normal, sdMs: 5 }'),
      /both\.jitter\.sdMs: normal jitter of 5 ms needs a delayMs of at least 15\.\d\d, here it is 2/,
    ],
    [
      'such jitter in a later step',
      text(
        '  delayMs: 20\n  jitter: { distribution: normal, sdMs: 5 }\n  schedule: [{ atS: 1, change: { delayMs: 3 } }]',
      ),
      /both\.schedule\.0\.change: normal jitter/,
    ],
    [
      'steps out of order',
      text('  schedule: [{ atS: 5, change: {} }, { atS: 4, change: {} }]'),
      /both\.schedule\.1\.atS: steps must be in order/,
    ],
    [
      'a link that stays bad for ever',
      text('  loss: { kind: gilbert-elliott, goodToBad: 0.1, badToGood: 0 }'),
      /both\.loss\.badToGood: must be above 0/,
    ],
    ['both and forward', text('  delayMs: 5', 'forward: { delayMs: 5 }'), /forward/],
    ['no YAML', 'name: [', /a-line\.yaml is not YAML: /],
  ])('is refused with a sentence that names the place: %s', (_name, yaml, complaint) => {
    expect(complaintOf(yaml)).toMatch(complaint);
  });

  it('must be called as its name says', () => {
    expect(complaintOf(text('  delayMs: 5'), 'other.yaml')).toBe(
      'other.yaml: name must be "other", as the file is called',
    );
  });
});
