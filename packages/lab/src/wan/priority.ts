import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

export type Priority = 'real-time' | 'raised' | 'ordinary';

/**
 * Lets the calling thread run before others, as far as the system allows: what is to happen at a certain time should
 * not wait for a video encoder. Real-time (SCHED_FIFO, by util-linux's `chrt`) and a raised priority need root or
 * CAP_SYS_NICE on Linux; without, nothing changes. The thread must sleep between its pieces of work. Threads and
 * processes it starts later do not inherit it.
 */
export function raisePriority(): Priority {
  const thread = threadId();
  if (thread !== undefined) {
    const set = spawnSync('chrt', ['--reset-on-fork', '--fifo', '--pid', '1', thread], {
      stdio: 'ignore',
      timeout: 2_000,
    });
    if (set.status === 0) return 'real-time';
  }
  try {
    // On Linux 0 is the calling thread, not the process.
    setPriority(0, -15);
    return 'raised';
  } catch {
    return 'ordinary';
  }
}

/** The kernel's number of the calling thread; undefined where there is no Linux /proc. */
function threadId(): string | undefined {
  try {
    return /\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1];
  } catch {
    return undefined;
  }
}
