import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NginxOptions, writeNginxConfig } from '../../packages/harness/src/nginx.ts';
import { command, tail, which } from './command.ts';
import { combine, failure, type Outcome, pass } from './outcome.ts';

const anywhere = '127.0.0.1:9';
const upstreams = {
  'session-api': anywhere,
  'session-api-2': anywhere,
  'ams-1': anywhere,
  'sin-1': anywhere,
  'sgn-1': anywhere,
};

/** `nginx -t` over the real configuration; only the upstreams' host names, which Docker resolves, are replaced. */
export async function checkNginx(signal: AbortSignal): Promise<Outcome> {
  const nginx = which('nginx');
  if (nginx === undefined) return failure('nginx -t', 'nginx is not installed');
  return combine([await checkSite(nginx, 'http', signal), await checkSite(nginx, 'https', signal)]);
}

async function checkSite(nginx: string, site: NginxOptions['site'], signal: AbortSignal): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'meridian-nginx-'));
  try {
    await writeNginxConfig(folder, { site, upstreams, ports: { http: 8080, https: 8443 } });
    const result = await command(nginx, ['-t', '-p', folder, '-c', join(folder, 'nginx.conf')], {
      signal,
      limitMs: 30_000,
    });
    const good = result.code === 0 && !result.output.includes('[warn]');
    return good ? pass : failure(`nginx -t with sites/${site}.conf`, tail(result.output));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
