import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ForwardingServer, RelayingServer } from './server.ts';

interface Request {
  readonly id: number;
  readonly method: string;
  readonly args: unknown[];
}

type Response = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string });

/** Answers the parent's calls with the object's methods. */
export function serve(server: ForwardingServer): void {
  const methods = new Map<string, unknown>(Object.entries(server));
  process.on('message', (message) => {
    const { id, method, args } = message as Request;
    const answer = async (): Promise<Response> => {
      try {
        const implementation = methods.get(method);
        if (typeof implementation !== 'function') throw new Error(`no method ${method}`);
        return { id, value: await implementation(...args) };
      } catch (error) {
        return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
      }
    };
    void answer().then((response) => process.send?.(response));
  });
  // The parent is gone: so is the reason to run.
  process.on('disconnect', () => process.exit(0));
  process.send?.({ id: 0, value: 'ready' });
}

export interface RemoteServer<S extends ForwardingServer> {
  readonly server: S;
  readonly pid: number;
  stop(): Promise<void>;
}

export const startEngineServer = (): Promise<RemoteServer<RelayingServer>> => start('engine');
export const startBareServer = (): Promise<RemoteServer<ForwardingServer>> => start('bare');

async function start<S extends ForwardingServer>(kind: 'engine' | 'bare'): Promise<RemoteServer<S>> {
  const child = fork(fileURLToPath(new URL('./child.ts', import.meta.url)), [kind], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let last = 0;
  const ready = new Promise<unknown>((resolve, reject) => waiting.set(0, { resolve, reject }));
  child.on('message', (message) => {
    const response = message as Response;
    const { resolve, reject } = waiting.get(response.id) ?? {};
    waiting.delete(response.id);
    if ('error' in response) reject?.(new Error(response.error));
    else resolve?.(response.value);
  });
  child.on('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`the server under test ended (${code})`));
    waiting.clear();
  });
  const call = (method: string, args: unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve, reject });
      child.send({ id, method, args } satisfies Request);
    });
  await ready;
  // Every method of a server is asynchronous, so a call may stand for it as it is.
  const server = new Proxy({} as S, {
    get: (_, method) =>
      typeof method === 'string' && method !== 'then' ? (...args: unknown[]) => call(method, args) : undefined,
  });
  return { server, pid: child.pid ?? -1, stop: () => stop(child, call) };
}

async function stop(child: ChildProcess, call: (method: string, args: unknown[]) => Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await call('close', []).catch(() => undefined);
  child.disconnect();
  const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await gone;
  clearTimeout(hard);
}
