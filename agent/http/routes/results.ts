import { z } from 'zod';
import { resultMessage } from '../../publish/messages.ts';
import type { App, HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';

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
}
