import type { Socket } from 'node:dgram';
import { parentPort } from 'node:worker_threads';
import { assertNever } from '@meridian/protocol';
import { z } from 'zod';
import { bindUdp } from '../drivers/loopback.ts';
import { raisePriority } from '../priority.ts';
import { monotonicMs } from '../scheduler.ts';

/**
 * The probe's receiving thread. It does nothing else and keeps nothing but times in memory given to it, so that neither the judging of
 * probes nor the collection of what that leaves behind holds up a packet.
 */

export const ReceiveOrder = z.discriminatedUnion('op', [
  /** Opens a socket; when packet i comes, the time is written to place i as a 64 bit float, in milliseconds of the monotonic clock. */
  z.strictObject({ op: z.literal('open'), id: z.int(), times: z.instanceof(SharedArrayBuffer) }),
  z.strictObject({ op: z.literal('close'), id: z.int() }),
  z.strictObject({ op: z.literal('priority'), id: z.int() }),
]);
export type ReceiveOrder = z.input<typeof ReceiveOrder>;
export const OpenReport = z.strictObject({ id: z.int(), port: z.int() });
export const PriorityReport = z.strictObject({ id: z.int(), priority: z.enum(['real-time', 'raised', 'ordinary']) });

const parent = parentPort;
if (parent !== null) {
  const priority = raisePriority();
  const sockets = new Map<number, Socket>();
  const open = async (id: number, times: SharedArrayBuffer): Promise<void> => {
    const receivedMs = new Float64Array(times);
    const socket = await bindUdp('127.0.0.1');
    socket.on('message', (payload) => {
      receivedMs[payload.readUInt32BE(0)] = monotonicMs();
    });
    sockets.set(id, socket);
    parent.postMessage({ id, port: socket.address().port });
  };
  parent.on('message', (message) => {
    const order = ReceiveOrder.parse(message);
    switch (order.op) {
      case 'open':
        void open(order.id, order.times);
        return;
      case 'close':
        sockets.get(order.id)?.close();
        sockets.delete(order.id);
        return;
      case 'priority':
        parent.postMessage({ id: order.id, priority });
        return;
      default:
        assertNever(order);
    }
  });
}
