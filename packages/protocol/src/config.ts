import { z } from 'zod';
import { MeridianError } from './errors.ts';
import { issuesOf } from './parse.ts';

/**
 * Configuration by environment variables: one declaration gives the type, the check, the default and
 * the row in the README's table.
 */
export interface Setting<S extends z.ZodType = z.ZodType> {
  /** Parses the variable's text. */
  readonly schema: S;
  /** Text used when the variable is absent; leave out to make it required. */
  readonly fallback?: string;
  /** One sentence for the table. */
  readonly help: string;
  /** Never shown or logged. */
  readonly secret?: boolean;
}

export type Settings = Record<string, Setting>;
export type ConfigOf<T extends Settings> = { readonly [K in keyof T]: z.output<T[K]['schema']> };

export const setting = <S extends z.ZodType>(
  schema: S,
  help: string,
  options: { fallback?: string; secret?: boolean } = {},
): Setting<S> => ({ schema, help, ...options });

/** Text -> value, for settings. */
export const text = z.string().min(1);
export const optionalText = z.string().transform((value) => (value === '' ? undefined : value));
export const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max));
export const decimal = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d+(\.\d+)?$/, 'must be a number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));
export const flag = z.enum(['true', 'false'], 'must be true or false').transform((value) => value === 'true');
export const list = z.string().transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

const PROXY_WORDS = ['loopback', 'linklocal', 'uniquelocal'];
/** Whose X-Forwarded-For is believed, as fastify's `trustProxy` takes it. */
export const proxies = list.pipe(
  z.array(
    z.union(
      [z.enum(PROXY_WORDS), z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()],
      `must hold addresses, ranges such as 10.0.0.0/8, or the words ${PROXY_WORDS.join(', ')}`,
    ),
  ),
);

/** `MERIDIAN_` + SNAKE_CASE of the setting's camelCase name. */
export const variableOf = (name: string): string => `MERIDIAN_${name.replace(/([A-Z])/g, '_$1').toUpperCase()}`;

/**
 * Reads the settings from an environment. Variables that start with `prefix` and belong to no
 * setting are refused, so that a typing error does not silently leave a default in force.
 * @throws MeridianError `config-invalid` that names every wrong variable at once, never its value.
 */
export function readConfig<T extends Settings>(
  settings: T,
  env: Readonly<Record<string, string | undefined>>,
  prefix = 'MERIDIAN_',
): ConfigOf<T> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const known = new Set<string>();
  for (const [name, declared] of Object.entries(settings)) {
    const variable = variableOf(name);
    known.add(variable);
    const raw = env[variable] ?? declared.fallback;
    if (raw === undefined) {
      problems.push(`${variable} is not set: ${declared.help}`);
      continue;
    }
    const result = declared.schema.safeParse(raw);
    if (result.success) values[name] = result.data;
    else problems.push(`${variable}: ${issuesOf(result.error)[0]?.message ?? 'invalid'} (${declared.help})`);
  }
  for (const variable of Object.keys(env)) {
    if (variable.startsWith(prefix) && !known.has(variable)) {
      problems.push(`${variable} is no setting of this service; correct its name or remove it`);
    }
  }
  if (problems.length > 0) {
    throw new MeridianError('config-invalid', {
      message: `The configuration is wrong:\n  - ${problems.join('\n  - ')}`,
      details: { problems },
    });
  }
  return values as ConfigOf<T>;
}

/** The settings as a Markdown table, for the README. */
export function configTable(settings: Settings): string {
  const rows = Object.entries(settings).map(([name, declared]) => {
    const fallback =
      declared.fallback === undefined
        ? '(required)'
        : declared.fallback === ''
          ? '(empty)'
          : `\`${declared.fallback}\``;
    return `| \`${variableOf(name)}\` | ${declared.secret ? '(secret)' : fallback} | ${declared.help.replaceAll('|', '\\|')} |`;
  });
  return ['| variable | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}
