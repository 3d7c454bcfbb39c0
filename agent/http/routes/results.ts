import { z } from 'zod';
import { QcError } from '../../../config/errors.ts';
import { resultMessage } from '../../publish/messages.ts';
import type { App, HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';
import { jpegBody } from '../jpeg-body.ts';

export function addResults(app: App, deps: HttpDeps): void {
  app.get(
    '/api/v1/results',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['results'],
        summary: 'The newest results, newest first',
        querystring: z.object({
          camera: z.string().max(63).optional(),
          limit: z.coerce.number().int().min(1).max(200).default(50),
        }),
        response: { 200: z.array(resultMessage), 400: errorBody },
      },
    },
    (request) => [...deps.recent.results(request.query)],
  );

  app.get(
    '/api/v1/evidence/:resultId(^[0-9A-HJKMNP-TV-Z]{26}).jpg',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['results'],
        summary: 'The picture that was judged, while it is kept',
        params: z.object({ resultId: z.string() }),
        produces: ['image/jpeg'],
        response: { 200: jpegBody, 404: errorBody },
      },
    },
    async (request, reply) => {
      const jpeg = await deps.recent.picture(request.params.resultId);
      if (!jpeg) {
        throw new QcError('http-not-found', `the picture of ${request.params.resultId} is not kept`, {
          remedy: 'only the newest pictures are kept',
        });
      }
      // A judged picture never changes.
      return reply.type('image/jpeg').header('cache-control', 'private, max-age=3600, immutable').send(jpeg);
    },
  );
}
