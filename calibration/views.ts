/** What calibration shows over HTTP: every shape once, as a schema; the types follow. Rates are shares, 0 to 1. */
import { z } from 'zod';
import { trainingSchema } from '../config/schema.ts';
import { markSchema, mostMarks, shapeSchema } from './dataset/shapes.ts';
import { reportSchema } from './train/report.ts';

const share = z.number().min(0).max(1);
const count = z.number().int().min(0);
const isoTime = z.string().describe('ISO 8601, UTC');

/** The dataset says what a label may be called; here only what may be sent at all. */
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
  step: z.string().describe('what is being done, in words'),
  done: count,
  total: count,
  startedAt: isoTime.nullable(),
  by: z.string().nullable().describe('who started it'),
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).nullable(),
  version: z.string().nullable().describe('the candidate it made'),
  notices: z.array(z.string()).describe('what it noticed on the way, such as pictures that were left out'),
});
export type TrainingView = z.output<typeof trainingView>;

/** What is left out is as the config says. */
export const trainOptions = z.object({
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31)
    .optional(),
  views: z.enum(['none', 'flips', 'turns']).optional().describe('how parts may lie'),
  augment: trainingSchema.shape.augment.unwrap().optional(),
  hidden: trainingSchema.shape.hidden.unwrap().optional(),
  escapeRate: z.number().gt(0).lt(1).optional().describe('bad parts that may pass'),
  falseRejectRate: z.number().gt(0).lt(1).optional().describe('good parts that may fail'),
  falseAlarmRate: z.number().gt(0).lt(1).optional().describe('good parts that may be uncertain'),
  promote: z.boolean().optional().describe('make the candidate the active head if its gate allows it'),
});
export type TrainOptions = z.output<typeof trainOptions>;

export const candidateView = z.object({
  resultId,
  camera: z.string(),
  partId: z.string(),
  capturedAt: isoTime,
  verdict: z.enum(['pass', 'fail', 'uncertain']),
  label: z.string().nullable().describe('what the head said; null without a head'),
  probability: share.nullable(),
  why: z.string().describe('why it is worth a label, in words'),
  held: z.boolean().describe('kept for whoever asked, for half a minute after each request'),
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
        active: z.string().describe('verdict of the active head'),
        activeLabel: z.string().nullable(),
        shadow: z.string().describe('verdict of the candidate'),
        shadowLabel: z.string().nullable(),
      }),
    )
    .describe('the newest disagreements, newest first'),
});
export type ShadowView = z.output<typeof shadowView>;

const estimateView = z.object({
  escapes: intervalView.describe('of bad parts drawn by chance, those that passed'),
  falseRejects: intervalView.describe('of good parts drawn by chance, those that failed'),
  corrections: count.describe('labels that differ from what was said'),
});
export type EstimateView = z.output<typeof estimateView>;

export const undoView = z.object({
  change: z.number().int().describe('sent along with undo: nothing else is undone'),
  words: z.string().describe('what undo would revert'),
  at: isoTime.describe('when it was done'),
  by: z.string().describe('who did it'),
  overtakenBy: z
    .string()
    .nullable()
    .describe('who has changed it since, because of which it cannot be undone'),
});
export type UndoView = z.output<typeof undoView>;

export const labelChangeView = z.object({
  done: z.boolean().describe('false for a dry run'),
  frames: count.describe('frames that get another label, or go'),
  others: count.describe('frames that the other label had before'),
  effects: z.array(z.string()).describe('what else follows from it, a sentence each'),
});
export type LabelChangeView = z.output<typeof labelChangeView>;

export const overview = z.object({
  calibrating: z.boolean(),
  labels: z
    .array(z.object({ name: z.string(), count, good: z.boolean() }))
    .describe(
      'number keys 1 to 9 in this order, which new labels never change: good ones, those the active head knows, others',
    ),
  revision: z.string(),
  frames: count,
  waiting: count.describe('candidates that wait for a label'),
  heldByOthers: count.describe('of these, those that others are labelling'),
  training: trainingView,
  active: z.string().nullable(),
  misfit: z
    .string()
    .nullable()
    .describe('the active head was trained on another base and does not judge: which bases, in words'),
  candidate: z.string().nullable().describe('the newest version that was neither promoted nor discarded'),
  shadow: shadowView.nullable(),
  estimate: estimateView,
  undoable: z.string().nullable().describe('what undo would revert, in words'),
  undo: undoView.nullable().describe('the last change of whoever asks, from the same browser'),
});
export type Overview = z.output<typeof overview>;

const frameView = z.object({
  id: frameId,
  label: z.string(),
  labelledBy: z.string(),
  labelledAt: isoTime,
  camera: z.string().optional(),
  partId: z.string().optional(),
  marked: z.boolean().describe('whether something is marked on it'),
});
/** Of the image that the agent shows: the region of a camera's frame, or an imported image. */
export const marks = z
  .array(markSchema)
  .max(mostMarks)
  .describe('where the defects are: fractions of the image, origin at the top left');

export const marksView = z.object({
  marks: z.array(shapeSchema.options[0].or(shapeSchema.options[1])).describe('points and boxes'),
  areas: z
    .array(
      z.object({
        kind: z.enum(['polygon', 'mask']),
        label: z.string(),
        x: share.describe('a point in the middle of it, or of its largest part'),
        y: share,
        points: z
          .array(z.tuple([share, share]))
          .optional()
          .describe('the corners of a polygon'),
      }),
    )
    .describe('polygons and masks, which were imported'),
});
export type MarksView = z.output<typeof marksView>;

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
  suggestion: z.string().optional().describe('the label they probably should have'),
  beside: frameId.optional().describe('the likest frame that has this label'),
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
  accuracy: share.nullable().describe('on parts that it had not seen'),
  allowed: z.boolean().nullable().describe('whether the gate lets it'),
  gate: z.string().nullable().describe('why, in words'),
  damage: z.string().nullable().describe('why it cannot be used'),
  isBefore: z.boolean().describe('a rollback goes back to it'),
  decisions: z
    .array(decisionView)
    .describe('who let it judge, went back to it or discarded it, and why; newest first'),
});
export type VersionView = z.output<typeof versionView>;

export { reportSchema as report };
