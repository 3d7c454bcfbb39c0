/** Validates requests before their handlers run: invalid data is always answered with 400, never with 500. */
import type { FastifyRequest, FastifySchemaCompiler } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import { isChange } from './origin.ts';

/** Replaces the compiler of fastify-type-provider-zod, because zod throws on some values (see `check`). */
export const checkRequest: FastifySchemaCompiler<z.ZodType> = (route) => {
  const validate = validatorCompiler(route);
  return (data) => {
    try {
      return validate(data);
    } catch {
      return {
        error: new QcError('http-invalid', `${route.httpPart ?? 'body'}: a value has the wrong type`),
      };
    }
  };
};

/**
 * A change without parameters refuses a body, which would have no effect. An empty object counts as no body.
 * @throws QcError http-invalid
 */
export function refuseUnknownBody(request: FastifyRequest): void {
  if (!isChange(request) || request.is404 || request.routeOptions.schema?.body !== undefined) return;
  const { body } = request;
  if (body === undefined || body === null || isEmptyObject(body)) return;
  throw new QcError('http-invalid', 'body: this request must not have one');
}

const isEmptyObject = (value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
