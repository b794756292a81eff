import { parentPort, workerData } from 'node:worker_threads';
import { assertNever, type ErrorCode, isMeridianError } from '@meridian/protocol';
import type { z } from 'zod';
import { Emulator } from './emulator.ts';
import { raisePriority } from './priority.ts';
import { PreciseScheduler } from './scheduler.ts';
import { EmulatorPlan, type Request, RequestMessage } from './spec.ts';

/** The emulator's thread: answers requests until it is terminated. */

const port = parentPort;
if (port === null) throw new Error("this file is the emulator's thread: use startEmulator()");

raisePriority();
const emulator = new Emulator({ plan: EmulatorPlan.parse(workerData), scheduler: new PreciseScheduler() });

async function answer(request: z.output<typeof Request>): Promise<unknown> {
  switch (request.op) {
    case 'udp':
      return emulator.openUdp(request.spec);
    case 'tcp':
      return emulator.openTcp(request.spec);
    case 'mesh':
      return emulator.openMesh(request.spec);
    case 'close':
      return emulator.closeOne(request.id);
    case 'start-schedules':
      return emulator.startSchedules();
    case 'change':
      return emulator.change(request.link, request.change);
    case 'report':
      return emulator.report();
    case 'trace':
      return emulator.trace(request.id);
    default:
      return assertNever(request);
  }
}

/** Only the code and the sentence cross over: an Error loses its class on the way. */
function describe(error: unknown): { code: ErrorCode; message: string } {
  if (isMeridianError(error)) return { code: error.code, message: error.message };
  return { code: 'config-invalid', message: error instanceof Error ? error.message : String(error) };
}

port.on('message', (message) => {
  const { id, request } = RequestMessage.parse(message);
  answer(request).then(
    (result) => port.postMessage({ id, result }),
    (error) => port.postMessage({ id, error: describe(error) }),
  );
});
