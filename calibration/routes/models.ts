/** The versions of the head: which one judges, and which one runs in the shadow. */
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
        summary: 'The versions there are, newest first',
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
        summary: 'How a version was judged before it was offered',
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
        summary: 'Let a version judge; where the gate refuses it, an engineer may override with a reason',
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
        throw new QcError('http-forbidden', `${name} is ${role}; to override the gate needs engineer`);
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
        summary: 'Back to the version before',
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
        summary: 'Let a version judge beside the active one without publishing; null ends it',
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
      schema: { tags, summary: 'Offer a candidate no longer', params, response: { 200: done, ...failures } },
    },
    async (request) => {
      await calibration.discard(request.params.version, whoIs(request).name);
      return ok;
    },
  );
}
