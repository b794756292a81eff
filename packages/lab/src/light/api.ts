import { ErrorReply, MeridianError, parseOrThrow, RoomView, UserTokenReply } from '@meridian/protocol';
import type { z } from 'zod';

const TIMEOUT_MS = 15_000;

/** @throws MeridianError as the service answered; `internal` when the answer is not of the expected form. */
export async function get<S extends z.ZodType>(schema: S, url: string): Promise<z.output<S>> {
  return answerOf(schema, url, await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }));
}

/**
 * Posts JSON to the session service and checks the answer.
 * @throws MeridianError as the service answered; `internal` when the answer is not of the expected form.
 */
export async function post<S extends z.ZodType>(
  schema: S,
  url: string,
  body: unknown,
  token?: string,
): Promise<z.output<S>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  return answerOf(schema, url, response);
}

async function answerOf<S extends z.ZodType>(schema: S, url: string, response: Response): Promise<z.output<S>> {
  const reply: unknown = await response.json();
  if (!response.ok) throw MeridianError.fromBody(parseOrThrow(ErrorReply, reply, 'internal', `answer of ${url}`).error);
  return parseOrThrow(schema, reply, 'internal', `answer of ${url}`);
}

export async function enterAsGuest(url: string, name: string): Promise<string> {
  return (await post(UserTokenReply, `${url}/v1/guests`, { name })).userToken;
}

/** Creates a room as a new guest; returns its slug. @throws MeridianError such as `room-slug-taken`. */
export async function createRoom(url: string, body: Record<string, unknown> = {}): Promise<string> {
  const token = await enterAsGuest(url, 'Host');
  return (await post(RoomView, `${url}/v1/rooms`, body, token)).slug;
}
