/** Routes for agreement studies. */
import { z } from 'zod';
import { studyId, studyQuestion, studyReport, studyRequest, studySummary } from '../study/views.ts';
import { labelName } from '../views.ts';
import { type App, change, png, type RouteDeps, read } from './route.ts';

const params = z.object({ id: studyId });
const number = z.coerce.number().int().min(0).max(100_000);

export function addStudies(app: App, { calibration: { studies }, errorBody, whoIs }: RouteDeps): void {
  const failures = { 400: errorBody, 403: errorBody, 404: errorBody, 409: errorBody, 503: errorBody };
  const tags = ['studies'];
  const blind = { config: { role: 'operator' as const } };
  const results = { config: { role: 'engineer' as const } };

  app.get(
    '/api/v1/studies',
    {
      ...read,
      schema: {
        tags,
        summary: 'Agreement studies, newest first, with the progress of each operator',
        response: { 200: z.array(studySummary), 503: errorBody },
      },
    },
    (request) => studies.list(whoIs(request).name),
  );
  app.post(
    '/api/v1/studies',
    {
      ...change('study-create', 'engineer'),
      schema: {
        tags,
        summary: 'Create an agreement study from parts of the dataset',
        body: studyRequest,
        response: { 200: studySummary, ...failures },
      },
    },
    (request) => studies.create(request.body, whoIs(request).name),
  );
  app.get(
    '/api/v1/studies/:id/question',
    {
      ...blind,
      schema: {
        tags,
        summary: 'The next question of the requester',
        params,
        response: { 200: studyQuestion, ...failures },
      },
    },
    (request) => studies.question(request.params.id, whoIs(request).name),
  );
  app.get(
    '/api/v1/studies/:id/question/:position.png',
    {
      ...blind,
      schema: {
        tags,
        summary: 'Image of the current question of the requester',
        params: params.extend({ position: number }),
        produces: ['image/png'],
        response: { 200: png, ...failures },
      },
    },
    async (request, reply) => {
      const { id, position } = request.params;
      const image = await studies.questionImage(id, whoIs(request).name, position);
      // Another operator at the same browser gets another image for the same number.
      return reply.type('image/png').header('cache-control', 'no-store').send(image);
    },
  );
  app.post(
    '/api/v1/studies/:id/answers',
    {
      ...change('study-answer'),
      schema: {
        tags,
        summary: 'Answer the current question of the requester; the response is the next one',
        params,
        body: z.object({ position: z.number().int().min(0), label: labelName }),
        response: { 200: studyQuestion, ...failures },
      },
    },
    (request) => studies.answer(request.params.id, whoIs(request).name, request.body),
  );
  app.get(
    '/api/v1/studies/:id/report',
    {
      ...results,
      schema: {
        tags,
        summary: 'Repeatability, reproducibility and kappa, and the parts that people disagree on',
        params,
        response: { 200: studyReport, ...failures },
      },
    },
    (request) => studies.report(request.params.id),
  );
  app.get(
    '/api/v1/studies/:id/parts/:part.png',
    {
      ...results,
      schema: {
        tags,
        summary: 'Image of a part of a study',
        params: params.extend({ part: number }),
        produces: ['image/png'],
        response: { 200: png, ...failures },
      },
    },
    async (request, reply) => {
      const { id, part } = request.params;
      const image = await studies.partImage(id, part);
      return reply.type('image/png').header('cache-control', 'private, max-age=3600').send(image);
    },
  );
}
