import { z } from 'zod';
import type { App } from '../../../calibration/routes/route.ts';
import { changeView, downtimeView, groupings, statisticsView } from '../../statistics/views.ts';
import type { HttpDeps } from '../deps.ts';
import { errorBody } from '../errors.ts';

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const range = z.object({
  from: time.describe('at or after it'),
  to: time.describe('before it'),
});

/** Counts by shift, hour, day or lot, what changed, and when parts could not be judged. */
export function addStatistics(app: App, { statistics }: HttpDeps): void {
  app.get(
    '/api/v1/statistics',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['statistics'],
        summary: 'Parts and defect rates by shift, hour, day or lot, with control limits',
        querystring: z.object({
          by: groupings.default('shift').describe('lot: what is made of one recipe without a change'),
          from: time
            .optional()
            .describe(
              'start; it is moved to the start of its shift, hour or day. Default: 23 h to 30 days before; at most 1200 groups or, by lot, 92 days',
            ),
          to: time.optional().describe('end, moved to the end of its shift, hour or day; default: now'),
          camera: z.string().max(63).optional(),
          recipe: z.string().max(128).optional(),
        }),
        response: { 200: statisticsView, 400: errorBody },
      },
    },
    ({ query }) => statistics.report(query),
  );

  app.get(
    '/api/v1/statistics/changes',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['statistics'],
        summary: 'Changes of model, recipe, settings and mode, and starts of the agent; oldest first',
        querystring: range,
        response: { 200: z.array(changeView), 400: errorBody },
      },
    },
    ({ query }) => statistics.changes(query),
  );

  app.get(
    '/api/v1/statistics/downtime',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['statistics'],
        summary: 'Times in which parts could not be judged or something else was wrong, with reasons',
        querystring: range,
        response: { 200: downtimeView, 400: errorBody },
      },
    },
    ({ query }) => statistics.downtime(query),
  );
}
