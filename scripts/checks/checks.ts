import { readdirSync } from 'node:fs';
import { root, which } from './command.ts';
import { commandCheck } from './command-check.ts';
import { checkCompose } from './deploy-compose.ts';
import { checkNginx } from './deploy-nginx.ts';
import { checkLinks } from './docs-links.ts';
import { type Check, inOrder, skip } from './outcome.ts';
import { vitestLevel } from './vitest-level.ts';

const minute = 60_000;

/** Everything `scripts/test` runs, in this order. Names are what it takes as arguments. */
export const checks: readonly Check[] = [
  {
    name: 'types',
    about: 'the TypeScript compiler over all packages',
    run: (signal) => commandCheck('types', 'pnpm', ['typecheck'], { signal, limitMs: 5 * minute }),
  },
  {
    name: 'lint',
    about: 'biome (style, imports between packages) and shellcheck',
    run: (signal) =>
      inOrder({
        biome: () => commandCheck('biome', 'pnpm', ['lint'], { signal, limitMs: 5 * minute }),
        shellcheck: () => shellcheck(signal),
      }),
  },
  {
    name: 'deploy',
    about: 'docker-compose.yml, nginx, Prometheus and Grafana against the code',
    run: (signal) =>
      inOrder({
        compose: () => checkCompose(signal),
        nginx: () => checkNginx(signal),
        dashboards: () => script('dashboards and alerts', ['scripts/check-dashboards.ts'], signal),
      }),
  },
  {
    name: 'docs',
    about: 'configuration tables and links of the documents',
    run: (signal) =>
      inOrder({
        configuration: () => script('configuration tables', ['scripts/config-docs.ts', '--check'], signal),
        links: () => checkLinks(signal),
      }),
  },
  vitestLevel('unit', 'pure parts'),
  vitestLevel('contract', 'adapters against real Redis, MongoDB and SQLite'),
  vitestLevel('media', "media on mediasoup's real worker"),
  vitestLevel('cluster', 'several nodes and a session service on this machine'),
  vitestLevel('e2e', 'real browsers in calls over relays'),
];

const script = (name: string, args: readonly string[], signal: AbortSignal) =>
  commandCheck(name, process.execPath, ['--disable-warning=ExperimentalWarning', ...args], { signal, limitMs: minute });

async function shellcheck(signal: AbortSignal) {
  const path = which('shellcheck');
  if (path === undefined) return skip('shellcheck', 'shellcheck is not installed');
  const library = readdirSync(`${root}scripts/lib`).filter((name) => name.endsWith('.sh'));
  const files = [
    'scripts/up',
    'scripts/test',
    'scripts/worker',
    '.ci/run',
    ...library.map((name) => `scripts/lib/${name}`),
  ];
  return commandCheck('shellcheck', path, ['-x', ...files], { signal, limitMs: minute });
}
