import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type NodeId, RoomId } from '@meridian/protocol';
import { onTestFinished } from 'vitest';
import type { World } from './world.ts';

/** Announces a node from a process of its own that holds one participant in each of so many rooms. */
export async function announceInOwnProcess(
  world: World,
  options: { nodeId: NodeId; rooms: number; leaseMs: number; heartbeatMs: number },
): Promise<{ process: ChildProcess; roomIds: RoomId[] }> {
  const child = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('node-process.ts', import.meta.url)),
      JSON.stringify({ ...options, url: world.backend.url, keyPrefix: world.prefix }),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the other process ended with ${code}`)));
  });
  const { roomIds } = JSON.parse(line) as { roomIds: string[] };
  return { process: child, roomIds: roomIds.map((id) => RoomId.parse(id)) };
}
