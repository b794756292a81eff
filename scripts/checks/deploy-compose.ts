import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig, type Settings } from '@meridian/protocol';
import { parse } from 'yaml';
import { z } from 'zod';
import { settings as serviceSettings } from '../../packages/session-api/src/config.ts';
import { settings as nodeSettings } from '../../packages/sfu-node/src/config.ts';
import { command, root, tail, which } from './command.ts';
import { combine, failure, type Outcome, pass, skip } from './outcome.ts';

/** What docker compose makes of the file: as far as it is looked at here. */
const Project = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string().optional(),
      build: z.object({ dockerfile: z.string() }).optional(),
      environment: z.record(z.string(), z.string().nullable()).nullish(),
      healthcheck: z.object({ test: z.array(z.string()) }).optional(),
      ports: z.array(z.object({ target: z.int(), published: z.string(), protocol: z.string() })).nullish(),
    }),
  ),
});
type Service = z.infer<typeof Project>['services'][string];

const secrets = { MONGO_PASSWORD: 'a', REDIS_PASSWORD: 'b', GRAFANA_PASSWORD: 'c' };

/** docker-compose.yml by docker compose (or its library), then against the services' own configuration and nginx's. */
export async function checkCompose(signal: AbortSignal): Promise<Outcome> {
  const docker = which('docker');
  const plugin = docker && (await command(docker, ['compose', 'version'], { signal, limitMs: 20_000 })).code === 0;
  const own = process.env.COMPOSE_CHECK;
  if (!plugin && !own) {
    return skip('docker-compose.yml', 'neither docker compose nor Go (to build scripts/compose-check with) is here');
  }
  const [file, args] = plugin
    ? [docker, ['compose', '-f', 'docker-compose.yml', '--env-file', '/dev/null', 'config', '--format', 'json']]
    : [own ?? '', ['docker-compose.yml']];
  const result = await command(file, args, { signal, limitMs: 60_000, env: secrets });
  if (result.code !== 0) return failure('docker-compose.yml', tail(result.output));
  const { services } = Project.parse(JSON.parse(result.output.slice(result.output.indexOf('{'))));
  return combine([
    pass,
    await refusesWithoutSecrets(file, args, signal),
    environments(services),
    healthchecks(services),
    await agreesWithNginx(services),
    await agreesWithPrometheus(services),
    await checkThreeMachines(plugin ? docker : undefined, own ?? '', signal),
  ]);
}

/** deploy/three-machines/compose.yml as on a machine on which everything runs. */
async function checkThreeMachines(docker: string | undefined, own: string, signal: AbortSignal): Promise<Outcome> {
  const name = 'deploy/three-machines/compose.yml';
  const env = {
    ...secrets,
    COMPOSE_PROFILES: 'service,node',
    SITES: 'both',
    SERVICE_HOST: 'meet.example.org',
    SERVICE_PRIVATE_ADDRESS: '10.88.0.1',
    PUBLIC_ADDRESS: '203.0.113.7',
    PRIVATE_ADDRESS: '10.88.0.1',
    NODE_ID: 'sin-1',
    NODE_HOST: 'sin.example.org',
    REGION: 'ap-southeast',
    REGION_NAME: 'Singapore',
    LATITUDE: '1.35',
    LONGITUDE: '103.82',
  };
  const [file, args] =
    docker === undefined
      ? [own, [name]]
      : [docker, ['compose', '-f', name, '--env-file', '/dev/null', 'config', '--format', 'json']];
  const result = await command(file, args, { signal, limitMs: 60_000, env });
  if (result.code !== 0) return failure(name, tail(result.output));
  const { services } = Project.parse(JSON.parse(result.output.slice(result.output.indexOf('{'))));
  const missing = ['caddy', 'redis', 'session-api', 'node', 'prometheus', 'grafana'].filter((one) => !services[one]);
  if (missing.length > 0) return failure(name, `no ${missing.join(', ')}`);
  return environments(services);
}

/** No password may have a default. */
async function refusesWithoutSecrets(file: string, args: readonly string[], signal: AbortSignal): Promise<Outcome> {
  const name = 'docker-compose.yml without secrets';
  const empty = Object.fromEntries(Object.keys(secrets).map((secret) => [secret, '']));
  const result = await command(file, args, { signal, limitMs: 60_000, env: empty });
  return result.code === 0 ? failure(name, 'it starts without passwords') : pass;
}

/** The services read their part as they would in the container. */
function environments(services: Record<string, Service>): Outcome {
  const problems: string[] = [];
  for (const [name, { build, environment }] of Object.entries(services)) {
    const settings: Settings | undefined = build?.dockerfile.includes('sfu-node')
      ? nodeSettings
      : build?.dockerfile.includes('session-api')
        ? serviceSettings
        : undefined;
    if (settings === undefined) continue;
    try {
      readConfig(
        settings,
        Object.fromEntries(Object.entries(environment ?? {}).map(([key, value]) => [key, value ?? ''])),
      );
    } catch (error) {
      problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return problems.length === 0 ? pass : failure('configuration in docker-compose.yml', problems.join('\n'));
}

function healthchecks(services: Record<string, Service>): Outcome {
  const without = Object.entries(services).filter(([, service]) => service.healthcheck === undefined);
  return without.length === 0
    ? pass
    : failure('healthchecks in docker-compose.yml', `none for ${without.map(([name]) => name).join(', ')}`);
}

/** Every node is reached through nginx, by the path that it tells its clients, and at its published media ports. */
async function agreesWithNginx(services: Record<string, Service>): Promise<Outcome> {
  const upstreams = await readFile(join(root, 'deploy/nginx/upstreams.conf'), 'utf8');
  const problems: string[] = [];
  for (const [name, { environment, ports }] of Object.entries(services)) {
    const nodeId = environment?.MERIDIAN_NODE_ID;
    if (!nodeId) continue;
    if (!upstreams.includes(`upstream node-${nodeId} { server ${name}:8081; }`)) {
      problems.push(`upstreams.conf has no upstream node-${nodeId} at ${name}:8081`);
    }
    if (!upstreams.includes(`${nodeId} node-${nodeId};`)) problems.push(`upstreams.conf does not map ${nodeId}`);
    for (const url of [environment?.MERIDIAN_PUBLIC_WS_URL, environment?.MERIDIAN_PUBLIC_PROBE_URL]) {
      if (!url?.includes(`/nodes/${nodeId}/`))
        problems.push(`${name} tells clients ${url}, which nginx does not route to it`);
    }
    const rtcPort = Number(environment?.MERIDIAN_RTC_PORT);
    for (const protocol of ['udp', 'tcp']) {
      const open = (ports ?? []).some(
        (port) => port.protocol === protocol && port.target === rtcPort && port.published === String(rtcPort),
      );
      if (!open) problems.push(`${name} does not publish its media port ${rtcPort}/${protocol} under the same number`);
    }
  }
  return problems.length === 0 ? pass : failure('nodes in docker-compose.yml and nginx', problems.join('\n'));
}

const Prometheus = z.object({
  scrape_configs: z.array(z.object({ static_configs: z.array(z.object({ targets: z.array(z.string()) })) })),
});

async function agreesWithPrometheus(services: Record<string, Service>): Promise<Outcome> {
  const text = await readFile(join(root, 'deploy/prometheus/prometheus.yml'), 'utf8');
  const targets = Prometheus.parse(parse(text)).scrape_configs.flatMap((job) =>
    job.static_configs.flatMap((group) => group.targets),
  );
  const own = Object.entries(services).filter(([, service]) => service.build !== undefined);
  const wanted = own.map(
    ([name, service]) => `${name}:${service.build?.dockerfile.includes('sfu-node') ? 8081 : 7080}`,
  );
  const wrong = [
    ...wanted.filter((target) => !targets.includes(target)).map((target) => `${target} is not scraped`),
    ...targets
      // Experiments run on the machine itself, outside of the composition.
      .filter((target) => !wanted.includes(target) && !target.startsWith('host.docker.internal:'))
      .map((target) => `${target} is no service`),
  ];
  return wrong.length === 0 ? pass : failure('services in docker-compose.yml and prometheus.yml', wrong.join('\n'));
}
