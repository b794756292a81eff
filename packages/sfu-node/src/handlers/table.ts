import { parseOrThrow, REQUESTS, type RequestData, type RequestMethod } from '@meridian/protocol';
import type { z } from 'zod';
import type { PreparedRequest } from '../signalling/dialogue.ts';
import { connectTransport } from './connect-transport.ts';
import type { Handler, RequestContext } from './context.ts';
import { endRoom } from './end-room.ts';
import { getStats } from './get-stats.ts';
import { join } from './join.ts';
import { kick } from './kick.ts';
import { leave } from './leave.ts';
import { pauseConsumer } from './pause-consumer.ts';
import { pauseProducer } from './pause-producer.ts';
import { publish } from './publish.ts';
import { publishData } from './publish-data.ts';
import { requestKeyframe } from './request-keyframe.ts';
import { restartIce } from './restart-ice.ts';
import { resumeConsumer } from './resume-consumer.ts';
import { resumeProducer } from './resume-producer.ts';
import { sendChat } from './send-chat.ts';
import { setConsumerLayers } from './set-consumer-layers.ts';
import { setConsumerPriority } from './set-consumer-priority.ts';
import { subscribe } from './subscribe.ts';
import { subscribeData } from './subscribe-data.ts';
import { unpublish } from './unpublish.ts';
import { unpublishData } from './unpublish-data.ts';
import { unsubscribe } from './unsubscribe.ts';
import { unsubscribeData } from './unsubscribe-data.ts';

/** Every request of the protocol and who answers it; a method without a handler does not compile. */
export const HANDLERS: { readonly [M in RequestMethod]: Handler<M> } = {
  join,
  leave,
  'connect-transport': connectTransport,
  'restart-ice': restartIce,
  publish,
  unpublish,
  'pause-producer': pauseProducer,
  'resume-producer': resumeProducer,
  subscribe,
  unsubscribe,
  'pause-consumer': pauseConsumer,
  'resume-consumer': resumeConsumer,
  'set-consumer-layers': setConsumerLayers,
  'set-consumer-priority': setConsumerPriority,
  'request-keyframe': requestKeyframe,
  'publish-data': publishData,
  'unpublish-data': unpublishData,
  'subscribe-data': subscribeData,
  'unsubscribe-data': unsubscribeData,
  'send-chat': sendChat,
  'get-stats': getStats,
  kick,
  'end-room': endRoom,
};

const SCHEMAS: { readonly [M in RequestMethod]: { readonly request: z.ZodType<RequestData<M>> } } = REQUESTS;

/** Checks a request's data against its schema. @throws MeridianError `bad-request` */
export function prepareRequest<M extends RequestMethod>(
  method: M,
  raw: unknown,
  /** Asked when the request runs. */
  context: () => Omit<RequestContext, 'afterReply'>,
): PreparedRequest {
  const handler: Handler<M> = HANDLERS[method];
  const data = parseOrThrow(SCHEMAS[method].request, raw, 'bad-request', method);
  return {
    order: handler.order(data),
    run: (afterReply) => handler.handle(data, { ...context(), afterReply }),
  };
}
