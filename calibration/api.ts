/** What the page, scripts and the command line ask of calibration, and the HTTP routes to it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import sharp from 'sharp';
import { z } from 'zod';
import { QcError } from '../config/errors.ts';
import type { LabelChange } from './dataset/label-change.ts';
import type { Author } from './dataset/state.ts';
import * as views from './views.ts';

type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** Who asks. */
export interface Person {
  readonly name: string;
  readonly role: 'viewer' | 'operator' | 'engineer';
  readonly isLoggedIn: boolean;
  /** The browser, as it names itself in `x-qc-client`. */
  readonly client?: string | undefined;
}

export interface PromotionReasons {
  /** Why it is wanted although the gate refuses it. */
  readonly override?: string | undefined;
  /** Why, for the record. */
  readonly reason?: string | undefined;
}

export interface RollbackRequest {
  /** Nothing is done if another version would be active afterwards. */
  readonly to?: string | undefined;
  /** Why, for the record. */
  readonly reason?: string | undefined;
}

/** A part of the queue was answered, and by whom. */
export interface Answered {
  readonly resultId: string;
  readonly author: Author;
  /** Null: skipped. */
  readonly label: string | null;
}

/** Calibration as others see it. Everything throws QcError; `by` and `author` say who asks, for the record. */
export interface Calibration {
  overview(author: Author): Promise<views.Overview>;
  /**
   * Parts worth a label, the most instructive first, without those that are kept for others.
   * @param holder for whom the first ones are to be kept, so that nobody else is offered them meanwhile
   */
  candidates(limit: number, holder: Author | undefined): Promise<views.CandidateView[]>;
  /** Whoever it was does not label any more: what was kept for them is offered to others. */
  leave(holder: Author): void;
  /** Told of every answer until the handle is disposed of. */
  onAnswer(listener: (answered: Answered) => void): Disposable;
  /** PNG of a candidate or of a result whose picture is still kept. @throws QcError label-unavailable */
  resultPicture(resultId: string): Promise<Buffer>;
  /**
   * Labels a candidate or corrects a past result. `ifUnlabelled` refuses where somebody was quicker.
   * @throws QcError label-invalid, label-unavailable, candidate-gone, dataset-busy, dataset-write-failed
   */
  label(
    request: {
      readonly resultId: string;
      readonly label: string;
      readonly ifUnlabelled?: boolean | undefined;
    },
    author: Author,
  ): Promise<{ readonly id: string; readonly outcome: 'added' | 'relabelled' | 'same' }>;
  /** The candidate is not offered again. */
  skip(resultId: string, author: Author): Promise<void>;
  /** Newest first; `after` is the `next` of the page before. */
  frames(query: {
    readonly label?: string | undefined;
    readonly after?: string | undefined;
    readonly limit: number;
  }): Promise<views.FramesPage>;
  /** PNG. @throws QcError frame-unknown */
  picture(id: string): Promise<Buffer>;
  /** All of them or none, and one step to undo. @throws QcError frame-unknown, label-invalid */
  relabel(ids: readonly string[], label: string, author: Author): Promise<void>;
  /** All of them or none, and one step to undo. @throws QcError frame-unknown */
  remove(ids: readonly string[], author: Author): Promise<void>;
  /**
   * Renames, merges or deletes a label; a dry run only says what would happen. One step to undo.
   * @throws QcError label-unknown, label-exists, label-invalid, label-configured
   */
  changeLabel(change: LabelChange, author: Author, isDryRun: boolean): Promise<views.LabelChangeView>;
  /**
   * Undoes the author's own last change; says in words what it was.
   * @param change which one is meant, as the overview numbers it @throws QcError nothing-to-undo, undo-overtaken
   */
  undo(author: Author, change?: number): Promise<{ readonly undone: string }>;
  doctor(): Promise<readonly z.output<typeof views.finding>[]>;
  /** PNG: where on the part the active head sees a label. @throws QcError frame-unknown, why-unavailable */
  why(of: { readonly frame: string } | { readonly resultId: string }, label?: string): Promise<Buffer>;

  training(): views.TrainingView;
  /** Starts and returns at once. @throws QcError training-busy */
  train(options: views.TrainOptions, by: string): Promise<void>;
  /** Does nothing when none runs. */
  cancelTraining(): Promise<void>;

  /** Newest first. */
  versions(): Promise<views.VersionView[]>;
  /** @throws QcError version-unknown where it has none */
  report(version: string): Promise<z.output<typeof views.report>>;
  /** @throws QcError version-unknown, head-damaged, gate-refused (an override says why it is wanted all the same) */
  promote(version: string, by: string, why: PromotionReasons): Promise<void>;
  /** To the version that was active before. @throws QcError version-unknown where there is none, rollback-moved */
  rollback(by: string, asked: RollbackRequest): Promise<{ readonly version: string }>;
  /** Judges beside the active head, unpublished; null ends it. @throws QcError version-unknown, head-damaged */
  shadow(version: string | null): Promise<void>;
  /** A candidate is no longer offered. @throws QcError version-unknown */
  discard(version: string, by: string): Promise<void>;
}

export interface CalibrationDeps {
  readonly calibration: Calibration;
  readonly errorBody: z.ZodType<{ error: { code: string; message: string; remedy: string } }>;
  /** The person behind a request. */
  readonly whoIs: (request: FastifyRequest) => Person;
}

const reason = z.string().trim().max(500).describe('for the record');
const maxIds = 2_000;
const bodyLimit = 262_144;
const done = z.object({ ok: z.literal(true) });
const ok = { ok: true as const };
const png = z.custom<Buffer>((body) => Buffer.isBuffer(body)).meta({ type: 'string', format: 'binary' });

export function addCalibration(app: App, deps: CalibrationDeps): void {
  addLabelling(app, deps);
  addDataset(app, deps);
  addTraining(app, deps);
  addModels(app, deps);
}

const read = { config: { role: 'viewer' as const } };
const change = (audit: string, role: 'operator' | 'engineer' = 'operator') => ({
  bodyLimit,
  config: { role, audit },
});
const width = z.object({ width: z.coerce.number().int().min(32).max(512).optional() });
export const authorOf = ({ name, client }: Person): Author => ({ by: name, client });
/** For whom parts are kept: somebody who may label and can be told from others. */
const holderOf = (person: Person): Author | undefined =>
  person.role !== 'viewer' && (person.isLoggedIn || person.client !== undefined)
    ? authorOf(person)
    : undefined;
const ids = z.array(views.frameId).min(1).max(maxIds);

function addLabelling(app: App, { calibration, errorBody, whoIs }: CalibrationDeps): void {
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
        summary: 'Parts worth a label, the most instructive first; the first ones are kept for whoever asks',
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
        summary: 'The picture of a candidate',
        params: z.object({ resultId: z.string() }),
        produces: ['image/png'],
        response: { 200: png, ...failures },
      },
    },
    async (request, reply) => sendPicture(reply, await calibration.resultPicture(request.params.resultId)),
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
          ifUnlabelled: z.boolean().optional().describe('refuse where somebody was quicker'),
        }),
        response: {
          200: z.object({ id: views.frameId, outcome: z.enum(['added', 'relabelled', 'same']) }),
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
        summary: 'Where on the part the active head sees a label, as a heat map over the picture',
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

function addDataset(app: App, { calibration, errorBody, whoIs }: CalibrationDeps): void {
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
        summary: 'A labelled frame, or a small picture of it',
        params: z.object({ id: z.string() }),
        querystring: width,
        produces: ['image/png'],
        response: { 200: png, ...failures },
      },
    },
    async (request, reply) => {
      const whole = await calibration.picture(request.params.id);
      const { width } = request.query;
      return sendPicture(
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
        summary: 'Where on a labelled frame the active head sees a label, as a heat map over the picture',
        params: z.object({ id: views.frameId }),
        querystring: z.object({ label: views.labelName.optional() }),
        produces: ['image/png'],
        response: { 200: png, ...failures },
      },
    },
    async (request, reply) =>
      reply.type('image/png').send(await calibration.why({ frame: request.params.id }, request.query.label)),
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
        summary: 'Take frames out of the dataset',
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
    delete: 'Take all frames of a label out of the dataset',
  } as const;
  for (const [kind, summary] of Object.entries(labelChanges) as [LabelChange['kind'], string][]) {
    const dryRun = z.boolean().default(false).describe('only say what would happen');
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
        // The kind and the fields of its body belong together, which the compiler cannot follow.
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
        summary: 'What is wrong with the dataset, and what to do',
        response: { 200: z.array(views.finding), ...failures },
      },
    },
    async () => [...(await calibration.doctor())],
  );
}

function addTraining(app: App, { calibration, errorBody, whoIs }: CalibrationDeps): void {
  const tags = ['training'];
  app.get(
    '/api/v1/training',
    {
      ...read,
      schema: { tags, summary: 'How training goes, or went', response: { 200: views.trainingView } },
    },
    () => calibration.training(),
  );
  app.post(
    '/api/v1/training/start',
    {
      ...change('train'),
      schema: {
        tags,
        summary: 'Train a candidate from the dataset',
        body: views.trainOptions,
        response: { 200: done, 400: errorBody, 409: errorBody },
      },
    },
    async (request) => {
      await calibration.train(request.body, whoIs(request).name);
      return ok;
    },
  );
  app.post(
    '/api/v1/training/cancel',
    {
      ...change('train-cancel'),
      schema: { tags, summary: 'Stop training; nothing is changed', response: { 200: done } },
    },
    async () => {
      await calibration.cancelTraining();
      return ok;
    },
  );
}

function addModels(app: App, { calibration, errorBody, whoIs }: CalibrationDeps): void {
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

/** What the address names never changes: ids are hashes, or results. */
const sendPicture = (reply: FastifyReply, picture: Buffer) =>
  reply.type('image/png').header('cache-control', 'private, max-age=86400, immutable').send(picture);
