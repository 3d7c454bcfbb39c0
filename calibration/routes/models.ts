/** Routes for model versions: active and shadow version. */
import { z } from 'zod';
import { QcError } from '../../config/errors.ts';
import * as views from '../views.ts';
import { type App, change, done, ok, type RouteDeps, read } from './route.ts';

const reason = z.string().trim().max(500).describe('for the record');

export function addModels(app: App, { calibration, errorBody, whoIs }: RouteDeps): void {
  const tags = ['models'];
  const failures = { 400: errorBody, 403: errorBody, 404: errorBody, 409: errorBody, 503: errorBody };
  const params = z.object({ version: views.versionName });

  app.get(
    '/api/v1/models',
    {
      ...read,
      schema: {
        tags,
        summary: 'All versions, newest first',
        response: { 200: z.array(views.versionView), 503: errorBody },
      },
    },
    () => calibration.versions(),
  );
  app.get(
    '/api/v1/models/:version/report',
    {
      ...read,
      schema: {
        tags,
        summary: 'Evaluation of a version',
        params,
        response: { 200: views.report, ...failures },
      },
    },
    (request) => calibration.report(request.params.version),
  );
  app.post(
    '/api/v1/models/:version/promote',
    {
      ...change('promote'),
      schema: {
        tags,
        summary: 'Make a version active; if the gate refuses it, an engineer may override it with a reason',
        params,
        body: z.object({
          override: z.string().trim().min(3).max(500).optional(),
          reason: reason.optional(),
        }),
        response: { 200: done, ...failures },
      },
    },
    async (request) => {
      const { name, role } = whoIs(request);
      const { override, reason } = request.body;
      if (override !== undefined && role !== 'engineer') {
        throw new QcError(
          'http-forbidden',
          `${name} has the role ${role}; overriding the gate needs the role engineer`,
        );
      }
      await calibration.promote(request.params.version, name, { override, reason });
      return ok;
    },
  );
  app.post(
    '/api/v1/models/rollback',
    {
      ...change('rollback'),
      schema: {
        tags,
        summary: 'Roll back to the previously active version',
        body: z.strictObject({ to: views.versionName.optional(), reason: reason.optional() }).nullish(),
        response: { 200: z.object({ version: z.string() }), ...failures },
      },
    },
    (request) => calibration.rollback(whoIs(request).name, request.body ?? {}),
  );
  app.post(
    '/api/v1/models/shadow',
    {
      ...change('shadow'),
      schema: {
        tags,
        summary: 'Set the shadow version, whose results are not published; null removes it',
        body: z.object({ version: views.versionName.nullable() }),
        response: { 200: done, ...failures },
      },
    },
    async (request) => {
      await calibration.shadow(request.body.version);
      return ok;
    },
  );
  app.post(
    '/api/v1/models/:version/discard',
    {
      ...change('discard'),
      schema: { tags, summary: 'Discard a candidate', params, response: { 200: done, ...failures } },
    },
    async (request) => {
      await calibration.discard(request.params.version, whoIs(request).name);
      return ok;
    },
  );
}
