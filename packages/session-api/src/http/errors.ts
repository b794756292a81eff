import { type ErrorCode, MeridianError } from '@meridian/protocol';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import type { Metrics } from '../metrics.ts';

/** A retry makes sense after this where the error does not say, milliseconds. */
const RETRY_AFTER_MS = 1_000;
const MOST_ISSUES = 8;

/** Errors of the framework in our words. */
const FRAMEWORK: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_HANDLER_TIMEOUT: 'deadline-exceeded',
  FST_ERR_NOT_FOUND: 'not-found',
};

/** Whatever was thrown while answering a request, as the error that the caller gets to see. */
export function toMeridianError(thrown: unknown): MeridianError {
  if (thrown instanceof MeridianError) return thrown;
  if (hasZodFastifySchemaValidationErrors(thrown)) return validationError(thrown);
  if (isFastifyError(thrown)) {
    const code = FRAMEWORK[thrown.code];
    if (code !== undefined) return new MeridianError(code, { cause: thrown });
    const status = thrown.statusCode ?? 500;
    // Malformed JSON, a bad URL: the framework's sentence names no values.
    if (status >= 400 && status < 500)
      return new MeridianError('bad-request', { message: thrown.message, cause: thrown });
  }
  return new MeridianError('internal', { cause: thrown });
}

/** Names each wrong field and what is wrong with it, never its value. */
function validationError(error: Pick<FastifyError, 'validation' | 'validationContext'>) {
  const where = error.validationContext ?? 'request';
  const issues = (error.validation ?? []).slice(0, MOST_ISSUES).map(({ instancePath, message }) => ({
    path: instancePath.replace(/^\//, '').replaceAll('/', '.'),
    message: message ?? 'invalid',
  }));
  const [first] = issues;
  const detail = first === undefined ? 'invalid' : `${first.path === '' ? '' : `${first.path}: `}${first.message}`;
  return new MeridianError('bad-request', { message: `${where}: ${detail}`, details: { issues } });
}

const isFastifyError = (thrown: unknown): thrown is FastifyError => thrown instanceof Error && 'code' in thrown;

/** Answers with the error's body and the headers that belong to it. */
export function sendError(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  metrics: Metrics,
): FastifyReply {
  const error = toMeridianError(thrown);
  metrics.error(error.code);
  if (error.status >= 500) request.log.error({ err: error, cause: error.cause, code: error.code }, 'request failed');
  else request.log.debug({ code: error.code, reason: error.message }, 'request refused');
  if (error.status === 401) reply.header('www-authenticate', 'Bearer');
  if (error.status === 429 || error.status === 503) {
    reply.header('retry-after', Math.ceil((error.retryAfterMs ?? RETRY_AFTER_MS) / 1_000));
  }
  return reply.code(error.status).type('application/json').send({ error: error.toPublicBody() });
}
