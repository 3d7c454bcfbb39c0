/** Routes for candidates and labels. */
import { z } from 'zod';
import * as views from '../views.ts';
import { authorOf, holderOf } from './person.ts';
import { type App, change, done, ok, png, type RouteDeps, read, sendImage } from './route.ts';

export function addLabels(app: App, { calibration, errorBody, whoIs }: RouteDeps): void {
  const failures = { 400: errorBody, 404: errorBody, 409: errorBody, 503: errorBody };
  const tags = ['labels'];

  app.get(
    '/api/v1/calibration',
    {
      ...read,
      schema: {
        tags,
        summary: 'Labels, counts, training and versions at a glance',
        response: { 200: views.overview, 503: errorBody },
      },
    },
    (request) => calibration.overview(authorOf(whoIs(request))),
  );
  app.get(
    '/api/v1/candidates',
    {
      ...read,
      schema: {
        tags,
        summary: 'Parts to label, the most informative first; the first ones are reserved for the requester',
        querystring: z.object({ limit: z.coerce.number().int().min(1).max(100).default(20) }),
        response: { 200: z.array(views.candidateView), ...failures },
      },
    },
    (request) => calibration.candidates(request.query.limit, holderOf(whoIs(request))),
  );
  app.get(
    '/api/v1/candidates/:resultId(^[0-9A-HJKMNP-TV-Z]{26}).png',
    {
      ...read,
      schema: {
        tags,
        summary: 'Image of a candidate',
        params: z.object({ resultId: z.string() }),
        produces: ['image/png'],
        response: { 200: png, ...failures },
      },
    },
    async (request, reply) => sendImage(reply, await calibration.resultImage(request.params.resultId)),
  );
  app.post(
    '/api/v1/candidates/:resultId/skip',
    {
      ...change('skip'),
      schema: {
        tags,
        summary: 'Do not offer this part again',
        params: z.object({ resultId: views.resultId }),
        response: { 200: done, ...failures },
      },
    },
    async (request) => {
      await calibration.skip(request.params.resultId, authorOf(whoIs(request)));
      return ok;
    },
  );
  app.post(
    '/api/v1/labels',
    {
      ...change('label'),
      schema: {
        tags,
        summary: 'Label a candidate, or correct a past result',
        body: z.object({
          resultId: views.resultId,
          label: views.labelName,
          marks: views.marks.optional(),
          ifUnlabelled: z.boolean().optional().describe('refuse if it has been labelled meanwhile'),
        }),
        response: {
          200: z.object({ id: views.frameId, outcome: z.enum(['added', 'relabelled', 'marked', 'same']) }),
          ...failures,
        },
      },
    },
    (request) => calibration.label(request.body, authorOf(whoIs(request))),
  );
  app.get(
    '/api/v1/results/:resultId/why.png',
    {
      ...read,
      schema: {
        tags: ['results'],
        summary:
          'Heat map of a result: which locations contribute to a label, according to the active version',
        params: z.object({ resultId: views.resultId }),
        querystring: z.object({ label: views.labelName.optional() }),
        produces: ['image/png'],
        response: { 200: png, ...failures },
      },
    },
    async (request, reply) =>
      reply
        .type('image/png')
        .send(await calibration.why({ resultId: request.params.resultId }, request.query.label)),
  );
}
