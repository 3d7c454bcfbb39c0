/** Routes of the labelled frames. */
import sharp from 'sharp';
import { z } from 'zod';
import type { LabelChange } from '../dataset/label-change.ts';
import * as views from '../views.ts';
import { authorOf } from './person.ts';
import { type App, change, done, ok, png, type RouteDeps, read, sendImage } from './route.ts';

const maxIds = 2_000;
const ids = z.array(views.frameId).min(1).max(maxIds);
const width = z.object({ width: z.coerce.number().int().min(32).max(512).optional() });

export function addDataset(app: App, { calibration, errorBody, whoIs }: RouteDeps): void {
  const failures = { 400: errorBody, 404: errorBody, 409: errorBody, 503: errorBody };
  const tags = ['dataset'];

  app.get(
    '/api/v1/dataset/frames',
    {
      ...read,
      schema: {
        tags,
        summary: 'Labelled frames, newest first',
        querystring: z.object({
          label: views.labelName.optional(),
          after: z.string().max(200).optional(),
          limit: z.coerce.number().int().min(1).max(200).default(60),
        }),
        response: { 200: views.framesPage, ...failures },
      },
    },
    (request) => calibration.frames(request.query),
  );
  app.get(
    '/api/v1/dataset/frames/:id(^[0-9a-f]{64}).png',
    {
      ...read,
      schema: {
        tags,
        summary: 'A labelled frame, or a thumbnail of it',
        params: z.object({ id: z.string() }),
        querystring: width,
        produces: ['image/png'],
        response: { 200: png, ...failures },
      },
    },
    async (request, reply) => {
      const whole = await calibration.image(request.params.id);
      const { width } = request.query;
      return sendImage(
        reply,
        width ? await sharp(whole).resize({ width, withoutEnlargement: true }).png().toBuffer() : whole,
      );
    },
  );
  app.get(
    '/api/v1/dataset/frames/:id/why.png',
    {
      ...read,
      schema: {
        tags,
        summary:
          'Heat map of a labelled frame: which locations contribute to a label, according to the active version',
        params: z.object({ id: views.frameId }),
        querystring: z.object({ label: views.labelName.optional() }),
        produces: ['image/png'],
        response: { 200: png, ...failures },
      },
    },
    async (request, reply) =>
      reply.type('image/png').send(await calibration.why({ frame: request.params.id }, request.query.label)),
  );
  app.get(
    '/api/v1/dataset/frames/:id/marks',
    {
      ...read,
      schema: {
        tags,
        summary: 'Marks of a labelled frame',
        params: z.object({ id: views.frameId }),
        response: { 200: views.marksView, ...failures },
      },
    },
    (request) => calibration.marks(request.params.id),
  );
  app.get(
    '/api/v1/dataset/marks-wanted',
    {
      ...read,
      schema: {
        tags,
        summary: 'Labelled defects without a mark, which marks would help most, the worst first',
        response: { 200: views.marksWanted, ...failures },
      },
    },
    () => calibration.marksWanted(),
  );
  app.post(
    '/api/v1/dataset/frames/:id/marks',
    {
      ...change('mark'),
      schema: {
        tags,
        summary: 'Mark the defects of a labelled frame: these points and boxes replace those that it has',
        params: z.object({ id: views.frameId }),
        body: z.strictObject({
          marks: views.marks,
          areas: z
            .enum(['keep', 'remove'])
            .default('keep')
            .describe('what to do with its polygons and masks'),
        }),
        response: { 200: z.object({ changed: z.boolean() }), ...failures },
      },
    },
    (request) => calibration.mark(request.params.id, request.body, authorOf(whoIs(request))),
  );
  app.post(
    '/api/v1/dataset/relabel',
    {
      ...change('relabel'),
      schema: {
        tags,
        summary: 'Give frames another label',
        body: z.object({ ids, label: views.labelName }),
        response: { 200: done, ...failures },
      },
    },
    async (request) => {
      await calibration.relabel(request.body.ids, request.body.label, authorOf(whoIs(request)));
      return ok;
    },
  );
  app.post(
    '/api/v1/dataset/remove',
    {
      ...change('remove'),
      schema: {
        tags,
        summary: 'Remove frames from the dataset',
        body: z.object({ ids }),
        response: { 200: done, ...failures },
      },
    },
    async (request) => {
      await calibration.remove(request.body.ids, authorOf(whoIs(request)));
      return ok;
    },
  );
  const labelChanges = {
    rename: 'Give a label another name',
    merge: 'Give all frames of a label another label that is in use',
    delete: 'Remove all frames of a label from the dataset',
  } as const;
  for (const [kind, summary] of Object.entries(labelChanges) as [LabelChange['kind'], string][]) {
    const dryRun = z.boolean().default(false).describe('only return the effects');
    const body =
      kind === 'delete'
        ? z.strictObject({ label: views.labelName, dryRun })
        : z.strictObject({ label: views.labelName, to: views.labelName, dryRun });
    app.post(
      `/api/v1/dataset/labels/${kind}`,
      {
        ...change(`label-${kind}`, 'engineer'),
        schema: { tags, summary, body, response: { 200: views.labelChangeView, ...failures } },
      },
      (request) => {
        // The compiler cannot relate the kind to the fields of its body.
        const { dryRun, ...asked } = request.body as { dryRun: boolean; label: string; to: string };
        return calibration.changeLabel({ kind, ...asked }, authorOf(whoIs(request)), dryRun);
      },
    );
  }
  app.post(
    '/api/v1/dataset/undo',
    {
      ...change('undo'),
      schema: {
        tags,
        summary: 'Undo your own last change',
        body: z.strictObject({ change: z.number().int().min(1).optional() }).nullish(),
        response: { 200: z.object({ undone: z.string() }), ...failures },
      },
    },
    (request) => calibration.undo(authorOf(whoIs(request)), request.body?.change),
  );
  app.get(
    '/api/v1/dataset/doctor',
    {
      ...read,
      schema: {
        tags,
        summary: 'Problems of the dataset with remedies',
        response: { 200: z.array(views.finding), ...failures },
      },
    },
    async () => [...(await calibration.doctor())],
  );
}
