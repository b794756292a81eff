import { ErrorReply, MeridianError, parseOrThrow } from '@meridian/protocol';
import type { z } from 'zod';
import { ClientError, fromBody, throwIfAborted } from '../errors.ts';
import { deadline, type Runtime } from '../runtime.ts';

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

type Timed = Pick<Runtime, 'fetch' | 'after'>;

const DEADLINE_MS = 10_000;

/**
 * One HTTP exchange with the session service.
 * @throws MeridianError what the service reported, or `deadline-exceeded`
 * @throws ClientError `service-unreachable`, `bad-reply`, `aborted`
 */
export async function callJson<S extends z.ZodType>(runtime: Timed, call: HttpCall, schema: S): Promise<z.output<S>> {
  const { response, text } = await exchange(runtime, call);
  const body = parseBody(text);
  if (!response.ok) throw failureOf(response, body);
  try {
    return parseOrThrow(schema, body, 'bad-request', 'reply');
  } catch (cause) {
    throw new ClientError('bad-reply', { cause, details: { url: call.url, status: response.status } });
  }
}

/** As `callJson`, for calls whose answer says nothing. */
export async function callVoid(runtime: Timed, call: HttpCall): Promise<void> {
  const { response, text } = await exchange(runtime, call);
  if (!response.ok) throw failureOf(response, parseBody(text));
}

async function exchange(runtime: Timed, call: HttpCall): Promise<{ response: Response; text: string }> {
  throwIfAborted(call.signal);
  const limit = deadline(runtime, DEADLINE_MS, call.signal);
  try {
    const response = await runtime.fetch(call.url, {
      method: call.method,
      cache: 'no-store',
      credentials: 'omit',
      headers: {
        accept: 'application/json',
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      signal: limit.signal,
    });
    return { response, text: await response.text() };
  } catch (cause) {
    throwIfAborted(call.signal);
    if (limit.expired()) throw new MeridianError('deadline-exceeded', { cause });
    throw new ClientError('service-unreachable', { cause });
  } finally {
    limit.clear();
  }
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A proxy in front of a dead service answers 502 to 504 with a page of its own. */
function failureOf(response: Response, body: unknown) {
  const reported = ErrorReply.safeParse(body);
  if (reported.success) return fromBody(reported.data.error);
  const code = response.status >= 502 && response.status <= 504 ? 'service-unreachable' : 'bad-reply';
  return new ClientError(code, { details: { status: response.status } });
}
