import type { PoolWorker } from './workers/slot.ts';

export interface RouterDump {
  readonly routerId: string;
  readonly roomId: string;
  readonly transports: number;
  readonly observers: number;
  readonly producers: number;
  readonly consumers: number;
  readonly dataProducers: number;
  readonly dataConsumers: number;
}

export interface WorkerDump {
  readonly index: number;
  readonly pid: number;
  /** As the worker process counts them, not as this process does. */
  readonly routers: number;
  /** Everything in the worker that takes requests: routers, transports, producers, consumers, observers, ... */
  readonly requestHandlers: number;
  readonly notificationHandlers: number;
  /** Transports that hang on the worker's WebRtcServer. */
  readonly webRtcTransports: number;
  readonly perRouter: readonly RouterDump[];
}

export interface EngineDump {
  readonly workers: readonly WorkerDump[];
}

/** @throws when a worker dies meanwhile. */
export async function dumpWorkers(workers: readonly PoolWorker[]): Promise<EngineDump> {
  return { workers: await Promise.all(workers.map(dumpWorker)) };
}

async function dumpWorker({ index, worker, webRtcServer, routers }: PoolWorker): Promise<WorkerDump> {
  const open = [...routers].filter((placed) => !placed.router.closed);
  const [dump, server, ...perRouter] = await Promise.all([
    worker.dump(),
    webRtcServer.dump(),
    ...open.map(async ({ router, roomId }): Promise<RouterDump> => {
      const held = await router.dump();
      return {
        routerId: router.id,
        roomId,
        transports: held.transportIds.length,
        observers: held.rtpObserverIds.length,
        producers: held.mapProducerIdConsumerIds.length,
        consumers: held.mapConsumerIdProducerId.length,
        dataProducers: held.mapDataProducerIdDataConsumerIds.length,
        dataConsumers: held.mapDataConsumerIdDataProducerId.length,
      };
    }),
  ]);
  return {
    index,
    pid: worker.pid,
    routers: dump.routerIds.length,
    requestHandlers: dump.channelMessageHandlers.channelRequestHandlers.length,
    notificationHandlers: dump.channelMessageHandlers.channelNotificationHandlers.length,
    webRtcTransports: server.webRtcTransportIds.length,
    perRouter,
  };
}
