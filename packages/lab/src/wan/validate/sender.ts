import { parentPort } from 'node:worker_threads';
import { z } from 'zod';
import { bindUdp } from '../drivers/loopback.ts';
import { raisePriority } from '../priority.ts';
import { monotonicMs, PreciseScheduler } from '../scheduler.ts';

/** The probe's sending thread: apart from the receiving one, so that neither delays the other. */

export const SendOrder = z.strictObject({
  id: z.int(),
  port: z.int(),
  count: z.int().min(1),
  packetsPerS: z.number().gt(0),
  payloadBytes: z.int().min(8),
});
export type SendOrder = z.output<typeof SendOrder>;
/** When each packet was handed to the kernel, milliseconds of the monotonic clock. */
export const SendReport = z.strictObject({ id: z.int(), sentMs: z.instanceof(Float64Array) });

const port = parentPort;
if (port !== null) {
  raisePriority();
  const scheduler = new PreciseScheduler();
  port.on('message', (message) => {
    const order = SendOrder.parse(message);
    void send(order, scheduler).then((sentMs) => port.postMessage({ id: order.id, sentMs }));
  });
}

/** So many buffers are used in turn, so that no packet makes garbage; the kernel has copied one long before its next turn. */
const BUFFERS = 64;

async function send(order: SendOrder, scheduler: PreciseScheduler): Promise<Float64Array> {
  const socket = await bindUdp('127.0.0.1');
  const sentMs = new Float64Array(order.count);
  const payloads = Array.from({ length: BUFFERS }, () => Buffer.alloc(order.payloadBytes));
  const startMs = monotonicMs() + 20;
  await new Promise<void>((resolve) => {
    let index = 0;
    const step = (): void => {
      const payload = payloads[index % BUFFERS];
      if (payload === undefined || index === order.count) {
        resolve();
        return;
      }
      payload.writeUInt32BE(index);
      sentMs[index] = monotonicMs();
      socket.send(payload, order.port, '127.0.0.1');
      index += 1;
      scheduler.at(startMs + (index * 1_000) / order.packetsPerS, step);
    };
    scheduler.at(startMs, step);
  });
  socket.close();
  return sentMs;
}
