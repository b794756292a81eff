import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { issuesOf, MeridianError } from '@meridian/protocol';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { LinkSettings } from './model/settings.ts';

const sentence = z.string().min(1).max(500);

/** Where a figure of the profile comes from. */
const Source = z.strictObject({
  figure: sentence,
  /** measured: somebody measured it; derived: computed from measured figures; assumed: a reasoned guess. */
  basis: z.enum(['measured', 'derived', 'assumed']),
  from: sentence,
});

const common = {
  name: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower case words joined by hyphens'),
  kind: z.enum(['backbone', 'last-mile']),
  description: sentence,
  sources: z.array(Source).min(1, 'must say where its figures come from'),
};

const ends = z.tuple([sentence, sentence]);
const Symmetrical = z.strictObject({ ...common, ends, both: LinkSettings });
const TwoWays = z.strictObject({ ...common, ends, forward: LinkSettings, backward: LinkSettings });

/**
 * A link in both directions. `forward` is from the first end to the second; of a last mile, from the person
 * to the network (upload). In a file `both` may stand for two directions with the same settings.
 */
export type Profile = z.output<typeof TwoWays>;

/** Where the profiles of this package are. */
export const PROFILES_DIR = fileURLToPath(new URL('../../profiles', import.meta.url));

/** @throws MeridianError `config-invalid` that names the file and every wrong field, or the line that is no YAML. */
export function parseProfile(text: string, file: string): Profile {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    const reason = cause instanceof YAMLParseError ? cause.message : String(cause);
    throw new MeridianError('config-invalid', { message: `${file} is not YAML: ${reason}`, cause });
  }
  // By the form it evidently means to have, so that the problems named are the real ones.
  const symmetrical = typeof value === 'object' && value !== null && 'both' in value;
  const result = symmetrical ? Symmetrical.safeParse(value) : TwoWays.safeParse(value);
  if (!result.success) {
    const problems = issuesOf(result.error, 20).map(({ path, message }) =>
      path === '' ? message : `${path}: ${message}`,
    );
    throw new MeridianError('config-invalid', { message: `${file}: ${problems.join('; ')}`, details: { problems } });
  }
  const expected = basename(file, extname(file));
  const profile = bothWays(result.data);
  if (profile.name !== expected) {
    throw new MeridianError('config-invalid', {
      message: `${file}: name must be "${expected}", as the file is called`,
    });
  }
  return profile;
}

function bothWays(profile: z.output<typeof Symmetrical> | Profile): Profile {
  if (!('both' in profile)) return profile;
  const { both, ...rest } = profile;
  return { ...rest, forward: both, backward: both };
}

/** @throws MeridianError `config-invalid`. */
export async function readProfile(file: string): Promise<Profile> {
  return parseProfile(await readFile(file, 'utf8'), file);
}

/** All `*.yaml` of a folder, by name. @throws MeridianError `config-invalid` for the first wrong one. */
export async function readProfiles(dir: string = PROFILES_DIR): Promise<Map<string, Profile>> {
  const files = (await readdir(dir)).filter((file) => file.endsWith('.yaml')).sort();
  const profiles = await Promise.all(files.map((file) => readProfile(join(dir, file))));
  return new Map(profiles.map((profile) => [profile.name, profile]));
}

/** The two links of a profile as an emulator's plan names them: `<as>/forward` and `<as>/backward`. */
export function linksOf(profile: Profile, as: string = profile.name): Record<string, LinkSettings> {
  return { [`${as}/forward`]: profile.forward, [`${as}/backward`]: profile.backward };
}
