import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isMeridianError } from '@meridian/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseScenario, planArm, readScenario, SCENARIOS_DIR } from '../../src/experiment/index.ts';
import { isTimed, pagesOf } from '../../src/experiment/scenario/schema.ts';
import { type Profile, readProfiles } from '../../src/wan/profiles.ts';

let profiles: Map<string, Profile>;
beforeAll(async () => {
  profiles = await readProfiles();
});

const lines = `name: small
title: A small one
description: Two people, two nodes.
nodes:
  aa: { region: eu-west, place: Here, at: { latitude: 1, longitude: 2 } }
  bb: { region: ap-vn, place: There, at: { latitude: 3, longitude: 4 } }
clients:
  anna: { place: Here, lastMile: [home-fibre] }
  binh: { place: There }
paths:
  - { between: [anna, aa], over: [] }
  - { between: [anna, bb], over: [amsterdam-hcmc] }
  - { between: [bb, binh], over: [viettel-mobile] }
  - { between: [binh, aa], over: [{ name: slow, forward: { delayMs: 9 }, backward: { delayMs: 7 } }] }
  - { between: [aa, bb], over: [singapore-hcmc] }
service: aa
sends: { video: { width: 320, height: 180, fps: 10 } }
arms:
  - { name: relay, title: Two nodes, at: { anna: aa, binh: bb } }
  - { name: worse, title: Worse, at: { anna: aa, binh: bb }, extra: [{ between: [bb, aa], over: [{ name: later, both: { delayMs: 50 } }] }, { lastMile: anna, over: [{ name: lossy, both: { loss: { kind: independent, ratio: 0.03 } } }] }] }
`;

const complaintOf = (text: string, file = 'small.yaml'): string => {
  try {
    parseScenario(text, file);
  } catch (error) {
    if (isMeridianError(error, 'config-invalid')) return error.message;
    throw error;
  }
  return 'no complaint';
};

describe('the scenarios of this package', () => {
  it('are valid, and every arm of each can be planned with the profiles there are', async () => {
    const files = (await readdir(SCENARIOS_DIR)).filter((file) => file.endsWith('.yaml'));
    expect(files).toEqual(
      expect.arrayContaining(['eu-vn.yaml', 'nearest.yaml', 'three-continents.yaml', 'cable-cut.yaml']),
    );
    for (const file of files) {
      const scenario = await readScenario(join(SCENARIOS_DIR, file));
      for (const arm of scenario.arms) {
        const { routes, links } = planArm(scenario, arm.name, profiles);
        for (const { up, down } of routes) for (const link of [...up, ...down]) expect(links).toHaveProperty([link]);
        // Everybody has a way for media, signalling and the service.
        expect(routes.filter(({ kind }) => kind !== 'relay')).toHaveLength(3 * Object.keys(scenario.clients).length);
      }
    }
  });

  it('say of the three arms between Europe and Vietnam where everybody is attached', async () => {
    const scenario = await readScenario(join(SCENARIOS_DIR, 'eu-vn.yaml'));
    expect(scenario.arms.map(({ at }) => at)).toEqual([
      { anna: 'sin', binh: 'sgn' },
      { anna: 'sgn', binh: 'sgn' },
      { anna: 'sin', binh: 'sin' },
    ]);
  });
});

describe('the plan of an arm', () => {
  it('sends media through last mile and long line, and back in the opposite order', () => {
    const { routes } = planArm(parseScenario(lines, 'small.yaml'), 'relay', profiles);
    expect(routes.find(({ kind, from }) => kind === 'media' && from === 'anna')).toMatchObject({
      to: 'aa',
      up: ['anna/home-fibre/forward'],
      down: ['anna/home-fibre/backward'],
    });
    // Binh reaches the service beside aa; the path is written from his side.
    expect(routes.find(({ kind, from }) => kind === 'service' && from === 'binh')).toMatchObject({
      up: ['binh~aa/slow/forward'],
      down: ['binh~aa/slow/backward'],
    });
    expect(routes.filter(({ kind }) => kind === 'relay')).toEqual([
      {
        kind: 'relay',
        from: 'aa',
        to: 'bb',
        up: ['aa~bb/singapore-hcmc/forward'],
        down: ['aa~bb/singapore-hcmc/backward'],
      },
    ]);
  });

  it('follows a path that is written from the node to the client in the direction of the traffic', () => {
    const { routes, links } = planArm(parseScenario(lines, 'small.yaml'), 'relay', profiles);
    const media = routes.find(({ kind, from }) => kind === 'media' && from === 'binh');
    expect(media).toMatchObject({ up: ['bb~binh/viettel-mobile/backward'], down: ['bb~binh/viettel-mobile/forward'] });
    // forward of the profile is an upload; the path begins at the node, so here it goes down.
    expect(links['bb~binh/viettel-mobile/forward']).toEqual(profiles.get('viettel-mobile')?.forward);
  });

  it('turns a reversed profile round', () => {
    const text = lines
      .replace('over: [amsterdam-hcmc]', 'over: [{ profile: viettel-mobile, reversed: true }]')
      .replace('anna: aa, binh: bb } }', 'anna: bb, binh: bb } }');
    const { links } = planArm(parseScenario(text, 'small.yaml'), 'relay', profiles);
    expect(links['anna~bb/viettel-mobile/forward']).toEqual(profiles.get('viettel-mobile')?.backward);
  });

  it('adds what one arm has in addition, seen from either end of the path', () => {
    const { routes, links } = planArm(parseScenario(lines, 'small.yaml'), 'worse', profiles);
    expect(routes.find(({ kind }) => kind === 'relay')).toMatchObject({
      up: ['aa~bb/singapore-hcmc/forward', 'aa~bb/later/forward'],
      down: ['aa~bb/later/backward', 'aa~bb/singapore-hcmc/backward'],
    });
    expect(links['aa~bb/later/forward']?.delayMs).toBe(50);
    expect(routes.find(({ kind, from }) => kind === 'media' && from === 'anna')?.up).toEqual([
      'anna/home-fibre/forward',
      'anna/lossy/forward',
    ]);
  });

  it('is refused for an arm or a profile that does not exist, which are named', () => {
    const scenario = parseScenario(lines.replace('[singapore-hcmc]', '[no-such-line]'), 'small.yaml');
    expect(() => planArm(scenario, 'relay', profiles)).toThrow(
      /there is no profile "no-such-line"; there are: .*home-fibre/,
    );
    expect(() => planArm(scenario, 'nobody', profiles)).toThrow(/no arm "nobody"; there are: relay, worse/);
  });
});

describe('a light peer', () => {
  const binh = '  binh: { place: There }';
  const withLight = (rest: string) =>
    lines
      .replace(binh, `${binh}\n  chi: { place: There, kind: light${rest} }`)
      .replace(
        '  - { between: [aa, bb]',
        '  - { between: [chi, aa], over: [] }\n  - { between: [chi, bb], over: [] }\n$&',
      )
      .replaceAll('binh: bb }', 'binh: bb, chi: bb }');
  const own = ', sends: { video: { width: 320, height: 180, fps: 10, simulcast: false } }';
  const refusal = (text: string) => {
    try {
      parseScenario(text, 'small.yaml');
    } catch (error) {
      if (isMeridianError(error, 'config-invalid')) return error;
      throw error;
    }
    throw new Error('it was not refused');
  };

  it('is a client like the others, who are pages, with the same ways', () => {
    const scenario = parseScenario(withLight(own), 'small.yaml');
    expect(Object.values(scenario.clients).map(({ kind }) => kind)).toEqual(['page', 'page', 'light']);
    expect(pagesOf(scenario)).toEqual(['anna', 'binh']);
    expect([
      isTimed(scenario, 'anna', 'binh'),
      isTimed(scenario, 'anna', 'chi'),
      isTimed(scenario, 'chi', 'anna'),
    ]).toEqual([true, false, false]);
    const { routes } = planArm(scenario, 'relay', profiles);
    expect(routes.filter(({ from }) => from === 'chi').map(({ kind }) => kind)).toEqual([
      'media',
      'signalling',
      'service',
    ]);
  });

  it.each([
    [
      'light-simulcast',
      'several layers, which it inherits',
      withLight(''),
      /line 10, clients\.chi: .*"simulcast: false".*sends" of its own/,
    ],
    [
      'light-codec',
      'another codec',
      withLight(own.replace('simulcast', 'codec: vp9, simulcast')),
      /line 10, clients\.chi\.sends\.video: a light peer sends vp8, not vp9/,
    ],
    [
      'light-measured',
      'that something is measured at it',
      lines.replace(binh, `  binh: { place: There, kind: light${own} }`),
      /line 8, clients: .*at least two clients must be pages/,
    ],
    [
      'light-unmeasured',
      'that only what it sends is measured',
      withLight(own).replace(
        'sends: { video: { width: 320, height: 180, fps: 10 } }',
        'sends: { video: null, audio: false }',
      ),
      /clients: no page sends anything/,
    ],
  ])('is refused with %s when the scenario asks for %s', (code, _what, text, complaint) => {
    const { message, details } = refusal(text);
    expect(message).toMatch(complaint);
    expect(message).toContain(`[${code}]`);
    expect(details).toMatchObject({ codes: [code] });
  });
});

describe('a wrong scenario file is refused', () => {
  it.each([
    ['with the line of the wrong value', lines.replace('fps: 10', 'fps: 0'), /line 17, sends\.video\.fps: /],
    ['with the line of what is missing something', lines.replace('title: A small one\n', ''), /line 1, title: /],
    ['with every unknown field', lines.replace('service: aa', 'service: aa\nservise: bb'), /servise/],
    [
      'when an arm attaches somebody to a node that is not there',
      lines.replace(
        '{ name: relay, title: Two nodes, at: { anna: aa',
        '{ name: relay, title: Two nodes, at: { anna: cc',
      ),
      /line 19, arms\.0\.at\.anna: cc is none of the nodes aa, bb/,
    ],
    [
      'when an arm needs a path that is missing',
      lines.replace('  - { between: [aa, bb], over: [singapore-hcmc] }\n', ''),
      /arms\.0\.at: needs a path between the nodes aa and bb/,
    ],
    [
      'when nobody says where a client is attached',
      lines.replace('at: { anna: aa, binh: bb } }\n', 'at: { anna: aa } }\n'),
      /arms\.0\.at: does not say where binh is attached/,
    ],
    [
      'when two nodes share a region, by which arms are forced',
      lines.replace('region: ap-vn', 'region: eu-west'),
      /nodes\.bb\.region: eu-west is used twice/,
    ],
    [
      'when a path joins two clients',
      lines.replace('[anna, aa]', '[anna, binh]'),
      /paths\.0\.between: must be a client and a node/,
    ],
    [
      'where a link of its own is wrong, with the field of the link',
      lines.replace('forward: { delayMs: 9 }', 'forward: { delayMs: -9 }'),
      /line 14, paths\.3\.over\.0\.forward\.delayMs/,
    ],
    [
      'when it is called otherwise than its file',
      lines.replace('name: small', 'name: tall'),
      /line 1, name: must be "small"/,
    ],
    ['when it is no YAML', 'nodes: [', /small\.yaml:\n.*line/],
  ])('%s', (_case, text, complaint) => {
    expect(complaintOf(text)).toMatch(complaint);
  });

  it('and a right one is not', () => {
    expect(complaintOf(lines)).toBe('no complaint');
  });
});
