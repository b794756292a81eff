import type { z } from 'zod';
import { type ErrorCode, MeridianError } from './errors.ts';

export interface Issue {
  readonly path: string;
  readonly message: string;
}

/** zod's issues as short, serialisable sentences. Values are never repeated, they might be secrets. */
export function issuesOf(error: z.core.$ZodError, most = 8): Issue[] {
  return error.issues.slice(0, most).map((issue) => ({
    path: issue.path.map(String).join('.'),
    message: issue.message,
  }));
}

/**
 * Checks a value at a boundary.
 * @throws MeridianError `bad-request` (or `code`) whose details name each wrong field.
 */
export function parseOrThrow<S extends z.ZodType>(
  schema: S,
  value: unknown,
  code: ErrorCode = 'bad-request',
  what = 'request',
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = issuesOf(result.error);
  const first = issues[0];
  throw new MeridianError(code, {
    message: `${what}: ${first ? `${first.path === '' ? '' : `${first.path}: `}${first.message}` : 'invalid'}`,
    details: { issues },
  });
}

/** Parses JSON and checks it. @throws MeridianError `bad-request` (or `code`). */
export function parseJson<S extends z.ZodType>(
  schema: S,
  text: string,
  code: ErrorCode = 'bad-request',
  what = 'message',
): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MeridianError(code, { message: `${what}: not JSON`, cause });
  }
  return parseOrThrow(schema, value, code, what);
}
