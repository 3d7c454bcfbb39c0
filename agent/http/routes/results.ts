import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { resultMessage } from '../../publish/messages.ts';
import type { HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';
import { placesView } from '../views.ts';

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
    '/api/v1/results/:resultId(^[0-7][0-9A-HJKMNP-TV-Z]{25})/where',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['results'],
        summary:
          'Location of the defect: boxes, and a coarse map of the judged image; empty if the result is no longer kept',
        params: z.object({ resultId: z.string() }),
        response: { 200: placesView, 400: errorBody },
      },
    },
    async (request) => {
      const { resultId } = request.params;
      const { where = [], region } = (await deps.past.result(resultId)) ?? {};
      return { where, region, map: (await deps.past.map(resultId)) ?? null };
    },
  );
}
