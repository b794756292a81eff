import { readdir, readFile } from 'node:fs/promises';
import { eventually } from './eventually.ts';

/** SIGSTOP; resolves when every thread stands still: a signal reaches the threads of a process one by one. */
export async function freezeProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await eventually(`process ${pid} stands still`, async () => {
    const threads = await readdir(`/proc/${pid}/task`);
    const states = await Promise.all(threads.map((thread) => stateOf(`/proc/${pid}/task/${thread}/stat`)));
    return states.every((state) => state === 'T');
  });
}

export function thawProcess(pid: number): void {
  process.kill(pid, 'SIGCONT');
}

/** One letter, see proc(5). */
async function stateOf(statFile: string): Promise<string | undefined> {
  const stat = await readFile(statFile, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2)[0];
}
