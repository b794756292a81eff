import { MeridianError } from '@meridian/protocol';

export interface Address {
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

/** Where Redis is and in which of its three shapes it runs. */
export type RedisTarget = Credentials &
  (
    | { readonly kind: 'single'; readonly address: Address; readonly db: number; readonly tls: boolean }
    | {
        readonly kind: 'sentinel';
        readonly sentinels: readonly Address[];
        readonly master: string;
        readonly db: number;
        /** The sentinels as well as the master. */
        readonly tls: boolean;
      }
    | { readonly kind: 'cluster'; readonly seeds: readonly Address[]; readonly tls: boolean }
  );

const FORMS =
  'redis://host:port[/db], redis+sentinel://host:port,host:port/master-name[/db] or ' +
  'redis+cluster://host:port,host:port, each with rediss in place of redis for TLS';

function invalid(why: string): MeridianError {
  return new MeridianError('config-invalid', { message: `the Redis URL ${why}; it has one of the forms ${FORMS}` });
}

/** @throws MeridianError `config-invalid`, whose message never repeats the URL: it may hold a password. */
export function parseRedisUrl(url: string): RedisTarget {
  const match =
    /^(?<scheme>rediss?(?:\+sentinel|\+cluster)?):\/\/(?:(?<user>[^@/]*)@)?(?<hosts>[^/?#]+)(?:\/(?<path>[^?#]*))?$/.exec(
      url,
    );
  const { scheme, user, hosts, path } = match?.groups ?? {};
  if (scheme === undefined || hosts === undefined) throw invalid('cannot be read');
  const credentials = credentialsOf(user);
  const segments = (path ?? '').split('/').filter((segment) => segment !== '');
  const tls = scheme.startsWith('rediss');
  switch (scheme) {
    case 'redis':
    case 'rediss': {
      const [address, ...more] = addressesOf(hosts, 6379);
      if (address === undefined || more.length > 0) throw invalid('must name exactly one host');
      if (segments.length > 1) throw invalid('has too long a path');
      return { kind: 'single', address, db: dbOf(segments[0]), tls, ...credentials };
    }
    case 'redis+sentinel':
    case 'rediss+sentinel': {
      const [master, db, ...rest] = segments;
      if (master === undefined || rest.length > 0) throw invalid('must end with the name of the master');
      return { kind: 'sentinel', sentinels: addressesOf(hosts, 26379), master, db: dbOf(db), tls, ...credentials };
    }
    case 'redis+cluster':
    case 'rediss+cluster':
      if (segments.length > 0) throw invalid('must not have a path: a Redis Cluster has one database only');
      return { kind: 'cluster', seeds: addressesOf(hosts, 6379), tls, ...credentials };
    default:
      throw invalid('has an unknown scheme');
  }
}

function credentialsOf(user: string | undefined): Credentials {
  if (user === undefined || user === '') return {};
  const colon = user.indexOf(':');
  const name = decode(colon === -1 ? user : user.slice(0, colon));
  const password = colon === -1 ? '' : decode(user.slice(colon + 1));
  return { ...(name === '' ? {} : { username: name }), ...(password === '' ? {} : { password }) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('has a wrong %-escape in its user or password');
  }
}

function addressesOf(hosts: string, defaultPort: number): Address[] {
  return hosts.split(',').map((entry) => {
    const match = /^(?<host>\[[0-9A-Fa-f:.]+\]|[^:[\]]+)(?::(?<port>\d{1,5}))?$/.exec(entry.trim());
    const host = match?.groups?.host?.replace(/^\[|\]$/g, '');
    const port = match?.groups?.port === undefined ? defaultPort : Number(match.groups.port);
    if (host === undefined || port < 1 || port > 65_535) throw invalid('has an address that is not host:port');
    return { host, port };
  });
}

function dbOf(segment: string | undefined): number {
  if (segment === undefined) return 0;
  if (!/^\d{1,4}$/.test(segment)) throw invalid('has a database that is not a number');
  return Number(segment);
}
