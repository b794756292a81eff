import { createSocket } from 'node:dgram';
import { workerBinary } from '@meridian/harness';
import { LinkId, RoomId, SessionId } from '@meridian/protocol';
import { createMediaEngine, type MediaEngineOptions, type MediasoupEngine, type RoomMedia } from '../../src/index.ts';
import { Room } from '../../src/room/room.ts';

let made = 0;
const fresh = (prefix: string): string => `${prefix}-${process.pid}-${++made}`;

export const newRoomId = (): RoomId => RoomId.parse(fresh('room'));
export const newSessionId = (): SessionId => SessionId.parse(fresh('session'));
export const newLinkId = (): LinkId => LinkId.parse(fresh('link'));

/** An engine on loopback: one worker, any ports, rooms that close as soon as they are empty. */
export function startEngine(options: Partial<MediaEngineOptions> = {}): Promise<MediasoupEngine> {
  return createMediaEngine({
    workers: 1,
    workerBin: workerBinary(),
    webRtcServer: { listenIp: '127.0.0.1', port: 0 },
    pipe: { listenIp: '127.0.0.1', portRange: { min: 40_000, max: 44_999 } },
    localPipePortRange: { min: 45_000, max: 49_999 },
    emptyRoomLingerMs: 20,
    measureEveryMs: 100,
    ...options,
  });
}

/** The room with its inside, for feeding it packets where a browser would. */
export function insideOf(room: RoomMedia): Room {
  if (!(room instanceof Room)) throw new Error('not a room of this engine');
  return room;
}

/** `count` neighbouring UDP ports of loopback that were free a moment ago. */
export async function freeUdpPorts(count: number): Promise<{ min: number; max: number }> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const min = 20_000 + Math.floor(Math.random() * 9_000);
    const ports = Array.from({ length: count }, (_, i) => min + i);
    const free = await Promise.all(ports.map(isUdpPortFree));
    if (free.every(Boolean)) return { min, max: min + count - 1 };
  }
  throw new Error('no free UDP ports');
}

function isUdpPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}
