import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { freePort, isPortFree } from './ports.ts';

const run = promisify(execFile);
const deployed = fileURLToPath(new URL('../../../deploy/nginx/', import.meta.url));

export interface NginxOptions {
  /** Which of deploy/nginx/sites; `https` gets a certificate made for localhost. */
  readonly site: 'http' | 'https';
  readonly ports: { readonly http: number; readonly https: number };
  /** Host of an upstream in deploy/nginx/upstreams.conf -> where it really listens, `host:port`. */
  readonly upstreams: Readonly<Record<string, string>>;
}

/**
 * Copies deploy/nginx into a folder for a private nginx: the configuration is the real one but for
 * what differs between machines - ports, upstream addresses, and where files are written.
 * @throws Error when an upstream of the configuration is not among the options.
 */
export async function writeNginxConfig(folder: string, options: NginxOptions): Promise<void> {
  await cp(deployed, folder, { recursive: true });
  const edit = async (file: string, from: string, change: (text: string) => string) => {
    await writeFile(join(folder, file), change(await readFile(join(folder, from), 'utf8')));
  };
  await edit('nginx.conf', 'nginx.conf', (text) =>
    text.replaceAll('/tmp/nginx', join(folder, 'nginx')).replace('/dev/stdout', join(folder, 'access.log')),
  );
  await edit('site.conf', `sites/${options.site}.conf`, (text) =>
    text.replaceAll(
      /listen (8080|8443)/g,
      (_, port) => `listen 127.0.0.1:${options.ports[port === '8080' ? 'http' : 'https']}`,
    ),
  );
  await edit('upstreams.conf', 'upstreams.conf', (text) =>
    text.replaceAll(/server ([a-z0-9-]+):\d+/g, (_, host: string) => {
      const address = options.upstreams[host];
      if (address === undefined) throw new Error(`no address was given for the upstream ${host}`);
      return `server ${address}`;
    }),
  );
  if (options.site === 'https') {
    await run('openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost',
      ],
      ...['-keyout', join(folder, 'certs/privkey.pem'), '-out', join(folder, 'certs/fullchain.pem')],
    ]);
  }
}

export interface NginxProcess {
  /** Of the site's front door: `http://localhost:<port>` or `https://localhost:<port>`. */
  readonly url: string;
  readonly ports: NginxOptions['ports'];
  /** The certificate as PEM; undefined for `http`. */
  readonly certificate: string | undefined;
  /** Quits nginx and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a private nginx with the real configuration, on free ports of loopback.
 * @throws Error when nginx is not installed or ends before it is ready.
 */
export async function startNginx(options: Omit<NginxOptions, 'ports'>): Promise<NginxProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'meridian-nginx-'));
  const ports = { http: await freePort(), https: await freePort() };
  let child: ChildProcess | undefined;
  let output = '';
  const stop = async () => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise<void>((resolve) => child?.once('exit', () => resolve()));
      child.kill('SIGTERM');
      await gone;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await writeNginxConfig(folder, { ...options, ports });
    // The workers read this folder, which is its owner's alone.
    const user = process.getuid?.() === 0 ? ' user root;' : '';
    child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-g', `daemon off;${user}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin` },
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2_000);
    });
    let failed: Error | undefined;
    child.once('error', (cause) => {
      failed = new Error('nginx could not be started', { cause });
    });
    child.once('exit', (code) => {
      failed ??= new Error(`nginx ended (${code}): ${output}`);
    });
    const wanted = options.site === 'https' ? ports.https : ports.http;
    await eventually('nginx listens', async () => failed !== undefined || !(await isPortFree(wanted)));
    if (failed) throw failed;
    return {
      url: `${options.site}://localhost:${wanted}`,
      ports,
      certificate: options.site === 'https' ? await readFile(join(folder, 'certs/fullchain.pem'), 'utf8') : undefined,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
