import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { QcError } from '../../../config/errors.ts';
import { resultMessage, verdictValue } from '../../publish/messages.ts';
import type { HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';
import { jpegBody } from '../jpeg-body.ts';
import { evidencePage } from '../views.ts';

/** Only a ULID matches, so the id cannot name another path. */
const resultId = '/api/v1/evidence/:resultId(^[0-7][0-9A-HJKMNP-TV-Z]{25})';
const params = z.object({ resultId: z.string() });
const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

/** Judged images with their results. */
export function addEvidence(app: App, deps: HttpDeps): void {
  const unknown = (id: string) =>
    new QcError('http-not-found', `no evidence is stored for result ${id}`, {
      remedy:
        'only a share of the passed parts is stored, and the oldest evidence is deleted when storage.evidenceQuotaMb is reached',
    });

  app.get(
    `${resultId}.jpg`,
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['evidence'],
        summary: 'The judged image, while it is stored',
        params,
        produces: ['image/jpeg'],
        response: { 200: jpegBody, 404: errorBody },
      },
    },
    async (request, reply) => {
      const jpeg = await deps.past.picture(request.params.resultId);
      if (!jpeg) throw unknown(request.params.resultId);
      // A judged image never changes.
      return reply.type('image/jpeg').header('cache-control', 'private, max-age=3600, immutable').send(jpeg);
    },
  );

  app.get(
    `${resultId}.json`,
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['evidence'],
        summary: 'The result of an image, while it is stored',
        params,
        response: { 200: resultMessage, 404: errorBody },
      },
    },
    async (request) => {
      const result = await deps.past.result(request.params.resultId);
      if (!result) throw unknown(request.params.resultId);
      return result;
    },
  );

  app.get(
    '/api/v1/evidence',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['evidence'],
        summary: 'Results whose images are stored on disk, newest first',
        querystring: z.object({
          verdict: verdictValue.optional(),
          label: z.string().max(128).optional(),
          camera: z.string().max(63).optional(),
          from: time.optional().describe('made at or after it'),
          to: time.optional().describe('made before it'),
          before: z.ulid().optional().describe('`next` of the previous page'),
          limit: z.coerce.number().int().min(1).max(200).default(60),
        }),
        response: {
          200: evidencePage,
          400: errorBody,
        },
      },
    },
    async (request) => {
      const { items, next } = await deps.evidence.list(request.query);
      return { items: [...items], next };
    },
  );
}
