import { ERRORS, ErrorCode, MeridianError } from '@meridian/protocol';
import { ClientError, type SdkError } from '../errors.ts';
import type { SocketClosed } from '../runtime.ts';

const byCloseCode = new Map<number, ErrorCode>([
  // RFC 6455: "message too big". Proxies and WebSocket libraries say it before the node can read the frame.
  [1009, 'payload-too-large'],
]);
for (const code of ErrorCode.options) {
  if (!byCloseCode.has(ERRORS[code].close)) byCloseCode.set(ERRORS[code].close, code);
}

/**
 * Why the node closed. Its reason begins with the error's code, the close code itself is shared by
 * several; a close that is none of ours (1006 and the like) is a lost connection.
 */
export function errorOfClose({ code, reason }: SocketClosed): SdkError {
  const named = ErrorCode.safeParse(/^[a-z-]+/.exec(reason)?.[0]);
  if (named.success) return new MeridianError(named.data);
  const known = byCloseCode.get(code);
  if (known !== undefined) return new MeridianError(known);
  return new ClientError('connection-lost', { details: { closeCode: code, reason } });
}
