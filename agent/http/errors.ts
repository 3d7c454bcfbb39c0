/** Every failure is answered as `{error: {code, message, remedy}}`, with the status of its code. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type ErrorCode, QcError } from '../../config/errors.ts';
import type { Log } from '../lifecycle/log.ts';

export const errorBody = z.object({
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }),
});

const statusByCode: Partial<Record<ErrorCode, number>> = {
  'config-invalid': 400,
  'config-changed': 409,
  'setup-finished': 409,
  'config-from-environment': 409,
  'config-not-editable': 409,
  'config-not-writable': 409,
  'http-unauthorized': 401,
  'http-forbidden': 403,
  'http-origin-refused': 403,
  'http-rate-limited': 429,
  'http-not-found': 404,
  'http-invalid': 400,
  'http-too-large': 413,
  'http-media-unsupported': 415,
  'http-busy': 503,
  'image-unreadable': 400,
  'image-too-large': 413,
  'camera-unknown': 404,
  'recipe-unknown': 404,
  'version-unknown': 404,
  'not-triggered': 409,
  busy: 409,
  'job-unknown': 404,
  'job-unfinished': 409,
  'job-aborted': 409,
  'no-result': 504,
  'study-unknown': 404,
  'study-impossible': 409,
  'study-foreign': 403,
  'study-answered': 409,
  'challenge-running': 409,
  'challenge-idle': 409,
  'label-invalid': 400,
  'marks-on-good': 400,
  'frame-unknown': 404,
  'candidate-gone': 409,
  'nothing-to-undo': 409,
  'undo-overtaken': 409,
  'label-unknown': 404,
  'label-exists': 409,
  'label-configured': 409,
  'training-busy': 409,
  'hub-address': 400,
  'base-exists': 409,
  'licence-refused': 409,
  'download-busy': 409,
  'download-too-large': 413,
  'gate-refused': 409,
  'rollback-moved': 409,
  'label-unavailable': 404,
  'why-unavailable': 409,
  'dataset-busy': 409,
  'training-impossible': 409,
  'command-busy': 503,
  'audit-unavailable': 503,
  internal: 500,
};

function statusOf(code: ErrorCode): number {
  return statusByCode[code] ?? (code.startsWith('command-') ? 400 : 503);
}

export function createErrorHandler(log: Log) {
  return (error: FastifyError | QcError, request: FastifyRequest, reply: FastifyReply) => {
    const known = toQcError(error);
    const status = statusOf(known.code);
    request.failure = known.code;
    if (status >= 500 && known.code === 'internal') {
      // The path only: a query may contain secrets.
      log.error({ err: error, method: request.method, path: request.url.split('?')[0] }, 'a request failed');
    }
    const { code, message, remedy } = known;
    return reply.code(status).type('application/json').send({ error: { code, message, remedy } });
  };
}

function toQcError(error: FastifyError | QcError): QcError {
  if (error instanceof QcError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const what = error.validation.map((one) => `${one.instancePath || 'body'}: ${one.message}`).join('; ');
    return new QcError('http-invalid', what.slice(0, 500));
  }
  switch (error.statusCode) {
    case 413:
      return new QcError('http-too-large', 'the body is larger than allowed');
    case 415:
      return new QcError('http-media-unsupported', 'this content type is not supported');
  }
  if (error.statusCode !== undefined && error.statusCode < 500) {
    return new QcError('http-invalid', error.message);
  }
  // An internal error may contain secrets: it is only logged.
  return new QcError('internal', 'the request failed inside the agent; see its log');
}
