/** Schemas of calibration over HTTP. Rates are shares, 0 to 1. */
import { z } from 'zod';
import { trainingSchema } from '../config/training-schema.ts';
import { markSchema, maxMarks, shapeSchema } from './dataset/shapes.ts';
import { reportSchema } from './train/report.ts';

const share = z.number().min(0).max(1);
const count = z.number().int().min(0);
const isoTime = z.string().describe('ISO 8601, UTC');

/** Limits the length only; the dataset checks label names. */
export const labelName = z.string().min(1).max(300);
export const frameId = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('sha256 of the pixels');
export const resultId = z.ulid();
export const versionName = z.string().regex(/^\d{4}-\d{2}-\d{2}\.\d+$/, 'must look like 2026-11-23.2');

const intervalView = z.object({
  rate: share,
  low: share.describe('lower end of the 95 % interval'),
  high: share.describe('upper end of the 95 % interval'),
  wrong: count,
  of: count,
});

export const trainingView = z.object({
  state: z.enum(['idle', 'running', 'done', 'failed', 'cancelled']),
  step: z.string().describe('the current step, for the operator'),
  done: count,
  total: count,
  secondsLeft: count.nullable().describe('estimated time until the current step ends; null if unknown'),
  startedAt: isoTime.nullable(),
  by: z.string().nullable().describe('who started it'),
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).nullable(),
  version: z.string().nullable().describe('the candidate it made'),
  notices: z.array(z.string()).describe('notices, such as images that were left out'),
});
export type TrainingView = z.output<typeof trainingView>;

/** Missing options are taken from the config. */
export const trainOptions = z.object({
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31)
    .optional(),
  views: z.enum(['none', 'flips', 'turns']).optional().describe('orientations in which parts may appear'),
  augment: trainingSchema.shape.augment.unwrap().optional(),
  hidden: trainingSchema.shape.hidden.unwrap().optional(),
  fineTune: trainingSchema.shape.fineTune.unwrap().optional(),
  escapeRate: z.number().gt(0).lt(1).optional().describe('maximum share of bad parts that pass'),
  falseRejectRate: z.number().gt(0).lt(1).optional().describe('maximum share of good parts that fail'),
  falseAlarmRate: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe('maximum share of good parts that are uncertain'),
  promote: z.boolean().optional().describe('make the candidate the active version if its gate accepts it'),
});
export type TrainOptions = z.output<typeof trainOptions>;

export const candidateView = z.object({
  resultId,
  camera: z.string(),
  partId: z.string(),
  capturedAt: isoTime,
  verdict: z.enum(['pass', 'fail', 'uncertain']),
  label: z.string().nullable().describe('label of the result; null without a model version'),
  probability: share.nullable(),
  why: z.string().describe('why it should be labelled, for the operator'),
  held: z.boolean().describe('reserved for the requester, for half a minute after each request'),
});
export type CandidateView = z.output<typeof candidateView>;

const shadowView = z.object({
  version: z.string(),
  judged: count,
  disagreements: count,
  newest: z
    .array(
      z.object({
        resultId,
        camera: z.string(),
        active: z.string().describe('verdict of the active version'),
        activeLabel: z.string().nullable(),
        shadow: z.string().describe('verdict of the candidate'),
        shadowLabel: z.string().nullable(),
      }),
    )
    .describe('the newest disagreements, newest first'),
});
export type ShadowView = z.output<typeof shadowView>;

const estimateView = z.object({
  escapes: intervalView.describe('of randomly drawn bad parts, those that passed'),
  falseRejects: intervalView.describe('of randomly drawn good parts, those that failed'),
  corrections: count.describe('labels that differ from the result'),
});
export type EstimateView = z.output<typeof estimateView>;

export const undoView = z.object({
  change: z.number().int().describe('send it with undo, so that no other change is undone'),
  words: z.string().describe('what undo reverts'),
  at: isoTime.describe('when it was done'),
  by: z.string().describe('who did it'),
  overtakenBy: z.string().nullable().describe('who has changed it since, so that it cannot be undone'),
});
export type UndoView = z.output<typeof undoView>;

export const labelChangeView = z.object({
  done: z.boolean().describe('false for a dry run'),
  frames: count.describe('frames that get another label or are removed'),
  others: count.describe('frames that already have the other label'),
  effects: z.array(z.string()).describe('other effects, one sentence each'),
});
export type LabelChangeView = z.output<typeof labelChangeView>;

export const overview = z.object({
  calibrating: z.boolean(),
  labels: z
    .array(z.object({ name: z.string(), count, good: z.boolean() }))
    .describe(
      'number keys 1 to 9 in this order, which new labels do not change: good labels, labels of the active version, others',
    ),
  revision: z.string(),
  frames: count,
  waiting: count.describe('candidates waiting for a label'),
  heldByOthers: count.describe('of these, those reserved for others'),
  training: trainingView,
  active: z.string().nullable(),
  misfit: z
    .string()
    .nullable()
    .describe('the active version was trained on another base and is not used: names both bases'),
  candidate: z.string().nullable().describe('the newest version that was neither promoted nor discarded'),
  shadow: shadowView.nullable(),
  estimate: estimateView,
  undoable: z.string().nullable().describe('what undo reverts, for the operator'),
  undo: undoView.nullable().describe('the last change of the requester from the same browser'),
});
export type Overview = z.output<typeof overview>;

const frameView = z.object({
  id: frameId,
  label: z.string(),
  labelledBy: z.string(),
  labelledAt: isoTime,
  camera: z.string().optional(),
  partId: z.string().optional(),
  marked: z.boolean().describe('whether it has marks'),
});
/** Marks on the image that the agent shows: the region of a camera's frame, or an imported image. */
export const marks = z
  .array(markSchema)
  .max(maxMarks)
  .describe('locations of the defects: fractions of the image, origin at the top left');

export const marksView = z.object({
  marks: z.array(shapeSchema.options[0].or(shapeSchema.options[1])).describe('points and boxes'),
  areas: z
    .array(
      z.object({
        kind: z.enum(['polygon', 'mask']),
        label: z.string(),
        x: share.describe('the centre of it or of its largest part'),
        y: share,
        points: z
          .array(z.tuple([share, share]))
          .optional()
          .describe('the corners of a polygon'),
      }),
    )
    .describe('imported polygons and masks'),
});
export type MarksView = z.output<typeof marksView>;

export const marksWanted = z.object({
  version: z.string().nullable().describe('version whose training found them; null if none has a report'),
  frames: z.array(
    z.object({
      id: frameId,
      label: z.string(),
      said: z.string().describe('label predicted by a model that was trained without it'),
      probability: share.describe('probability of its own label in that prediction'),
    }),
  ),
});
export type MarksWanted = z.output<typeof marksWanted>;

export const framesPage = z.object({
  items: z.array(frameView),
  total: count,
  next: z.string().nullable().describe('`after` of the next page'),
});
export type FramesPage = z.output<typeof framesPage>;

export const finding = z.object({
  kind: z.string(),
  severity: z.enum(['error', 'warning', 'hint']),
  text: z.string(),
  remedy: z.string(),
  frames: z.array(frameId),
  suggestion: z.string().optional().describe('the label that they should probably have'),
  beside: frameId.optional().describe('the most similar frame with this label'),
});

const decisionView = z.object({
  at: isoTime,
  by: z.string(),
  action: z.enum(['promote', 'override', 'rollback', 'discard']),
  reason: z.string().nullable(),
});

export const versionView = z.object({
  version: z.string(),
  active: z.boolean(),
  createdAt: isoTime.nullable(),
  by: z.string().nullable(),
  labels: z.array(z.string()),
  frames: count.nullable(),
  accuracy: share.nullable().describe('on held-out parts'),
  allowed: z.boolean().nullable().describe('whether the gate allows promotion'),
  gate: z.string().nullable().describe('reason of the gate, for the operator'),
  damage: z.string().nullable().describe('why it cannot be used'),
  isBefore: z.boolean().describe('the version that a rollback activates'),
  decisions: z
    .array(decisionView)
    .describe('promotions, rollbacks and discards with author and reason; newest first'),
});
export type VersionView = z.output<typeof versionView>;

export { reportSchema as report };
