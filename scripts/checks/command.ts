import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

export interface CommandResult {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly output: string;
  readonly timedOut: boolean;
}

export interface CommandOptions {
  readonly signal: AbortSignal;
  /** The whole process group is killed after this long. */
  readonly limitMs: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Where its output goes: kept for the result, or straight to the terminal. */
  readonly output?: 'keep' | 'show';
  readonly cwd?: string;
}

/**
 * Runs a command in a process group of its own, so that nothing it started outlives it.
 * @throws Error when the command cannot be started.
 */
export function command(file: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    options.signal.throwIfAborted();
    const child = spawn(file, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: [
        'ignore',
        ...(options.output === 'show' ? (['inherit', 'inherit'] as const) : (['pipe', 'pipe'] as const)),
      ],
      detached: true,
    });
    let output = '';
    let timedOut = false;
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const kill = (signal: NodeJS.Signals) => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, signal);
      } catch {
        // The group is gone already.
      }
    };
    const onAbort = () => kill('SIGTERM');
    options.signal.addEventListener('abort', onAbort, { once: true });
    const limit = setTimeout(() => {
      timedOut = true;
      kill('SIGKILL');
    }, options.limitMs);
    child.once('error', (cause) => {
      clearTimeout(limit);
      options.signal.removeEventListener('abort', onAbort);
      reject(new Error(`${file} could not be started: ${cause.message}`, { cause }));
    });
    child.once('close', (code) => {
      clearTimeout(limit);
      options.signal.removeEventListener('abort', onAbort);
      kill('SIGKILL');
      resolve({ code, output, timedOut });
    });
  });
}

/** The path of a command on PATH (or in Debian's sbin folders), or undefined. */
export function which(name: string): string | undefined {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** The end of a long text, for a failure's message. */
export const tail = (text: string, lines = 60): string => text.trimEnd().split('\n').slice(-lines).join('\n');
