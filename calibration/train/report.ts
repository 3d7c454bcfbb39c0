/** The evaluation of a candidate: report.json of a version. Rates are shares, 0 to 1. */
import { z } from 'zod';

const share = z.number().min(0).max(1);
const count = z.number().int().min(0);
const estimate = z.object({ value: share, low: share, high: share });
const interval = z.object({ rate: share, low: share, high: share, wrong: count, of: count });

const checkSchema = z.object({
  name: z.enum(['negative-transfer', 'over-fitting', 'forgetting']),
  ok: z.boolean(),
  sentence: z.string(),
});

export const reportSchema = z.object({
  labels: z.array(z.string()),
  confusion: z.array(z.array(count)).describe('[K][K]; row: true label, column: predicted label'),
  perLabel: z.array(z.object({ label: z.string(), precision: share, recall: share, f1: share, count })),
  accuracy: share,
  macroF1: share,
  escapes: interval.describe('bad parts that would pass, with the 95 % interval'),
  falseRejects: interval.describe('good parts that would fail'),
  uncertain: interval.describe('parts that would be uncertain'),
  mostProbable: z
    .object({ escapes: count, falseRejects: count })
    .optional()
    .describe(
      'bad parts whose most probable label is good, and good parts whose most probable label is a defect: what would happen without thresholds',
    ),
  revision: z.string().describe('of the dataset'),
  frames: count,
  counts: z.record(z.string(), count).describe('frames of each label'),
  folds: count.describe('each part was evaluated by a model that was trained without its fold'),
  seed: z.number(),
  views: z.enum(['none', 'flips', 'turns']),
  augment: z.array(z.enum(['light', 'blur', 'crop', 'rotate'])).default([]),
  places: z
    .object({
      sentence: z.string().describe('what was chosen and why, for the operator'),
      marked: count.describe('parts with marks'),
      guessed: count.describe('parts without marks for which the most anomalous cell was used instead'),
      tried: z.array(
        z.object({
          way: z
            .enum(['features', 'places', 'spot'])
            .describe(
              'features: whole image only; places: whole image and localized features; spot: one location, the same on all parts',
            ),
          window: count.describe('side of the pooling window in cells of stage 3; 0: no localized features'),
          loss: z.number().describe('squared error of held-out parts'),
          accuracy: share,
          chosen: z.boolean(),
        }),
      ),
    })
    .optional()
    .describe('localized features that were tried; absent if there were no locations to learn from'),
  goodParts: z
    .object({
      sentence: z.string().describe('whether it is used and why, for the operator'),
      used: z.boolean(),
      parts: count.describe('good parts in the memory'),
      detected: count.describe('labelled defects that differ from the good parts'),
      defects: count.describe('labelled defects that were compared'),
      limit: z
        .number()
        .describe('score above which a part is unfamiliar, in standard deviations of good parts'),
    })
    .optional()
    .describe(
      'memory of good parts that parts called good are compared with; absent with too few good parts or defects, or a base without maps',
    ),
  adaptation: z
    .object({
      sentences: z.array(z.string()).describe('what has changed, for the operator'),
      recent: count.describe('recent images that the change was measured on'),
      change: z
        .object({
          gain: z.array(z.number()).describe('[3], of red, green and blue'),
          offset: z.array(z.number()).describe('[3], in steps of 0 to 255'),
          blur: z.number().describe('standard deviation of the blur, as a share of the shorter side'),
        })
        .describe('what was done to copies of the labelled images'),
      before: share
        .nullable()
        .describe(
          'accuracy on these copies without adaptation: of heads trained on the unchanged images of other parts',
        ),
      after: share.describe('accuracy of this version on these copies, held out'),
      unchanged: share.describe('accuracy of this version on the labelled images themselves, held out'),
    })
    .optional()
    .describe('of a version that was trained for a change of light or focus (qc-agent adapt)'),
  goodOnly: z
    .object({
      parts: count.describe('good parts in the memory'),
      limit: z
        .number()
        .describe('score above which a part is uncertain, in standard deviations of good parts'),
      heldBack: interval.describe('held-out good parts that would be uncertain'),
      defects: z
        .array(z.object({ label: z.string(), count, heldBack: count }))
        .describe('labelled defects, too few for training, and how many of them would be uncertain'),
    })
    .optional()
    .describe('of a model version that was trained on good parts only: it never fails a part'),
  fineTuning: z
    .object({
      mode: z.enum(['auto', 'on']),
      used: z.boolean().describe('whether this version has a fine-tuned base'),
      sentence: z.string().describe('what was found, for the operator'),
      epochs: count,
      layers: count.describe('convolutions that were trained'),
      frozen: share.describe('held-out parts that are correct with the frozen base'),
      tuned: share.describe('the same with the fine-tuned base'),
      points: z.number().describe('difference in percentage points'),
      low: z.number(),
      high: z.number(),
      p: share.describe('of the paired test'),
      won: count.describe('parts that are correct only with the fine-tuned base'),
      lost: count.describe('parts that are correct only with the frozen base'),
      checks: z.array(checkSchema).describe('harm, over-fitting and forgetting by fine-tuning'),
      seconds: z.number(),
    })
    .optional()
    .describe('comparison with a fine-tuned base; absent if fine-tuning was off or not possible'),
  learning: z
    .object({
      state: z
        .enum(['gains', 'saturated', 'unclear', 'unknown'])
        .describe(
          'whether more labels help; saturated: by less than a point; unclear: the interval is too wide; unknown: too few labels',
        ),
      sentence: z.string(),
      now: z.number().describe('labels per class: the harmonic mean'),
      points: z
        .array(
          z.object({
            labels: z.number().describe('labels per class used for training'),
            accuracy: share.describe('on held-out parts, scaled to the held-out accuracy of this version'),
            deviation: z.number().describe('standard deviation of the accuracy with other parts'),
            balancedError: share,
            escapeRate: share
              .nullable()
              .describe('at the thresholds of this version; null without good and bad parts'),
          }),
        )
        .describe('measured'),
      curve: z
        .array(z.object({ labels: z.number(), accuracy: share, low: share, high: share }))
        .describe('fitted, with the 80 % interval'),
      expected: z
        .array(
          z.object({
            more: count.describe('labels per class'),
            accuracy: estimate.describe('gain'),
            balancedError: estimate.describe('decrease of the error'),
            escapes: estimate.nullable().describe('decrease of the escape rate'),
          }),
        )
        .describe('effects of more labels, with 80 % intervals'),
      byLabel: z
        .array(z.object({ label: z.string(), more: count, recall: estimate.describe('gain') }))
        .describe('labels that improve most, in descending order'),
    })
    .optional()
    .describe('learning curve: estimated effect of more labels, from models trained on fewer labels'),
  doubtful: z
    .array(z.object({ id: z.string(), label: z.string(), said: z.string(), probability: share }))
    .optional()
    .describe(
      'defects that are wrong or uncertain in the cross-validation, the worst first: marks help most there',
    ),
  hidden: count.default(0).describe('units of the hidden layer; 0: linear'),
  penalty: z.number(),
  temperature: z.number(),
  doubt: share
    .optional()
    .describe('so few labelled parts justify no probability above 1 - doubt; absent: no limit'),
  backend: z.string(),
  thresholds: z.object({
    pass: share,
    fail: share,
    failByLabel: z.record(z.string(), share).optional(),
  }),
  promised: z.boolean().describe('whether the thresholds keep the targets'),
  promise: z
    .array(z.object({ kept: z.boolean(), text: z.string() }))
    .describe('what is guaranteed, or what is missing for a guarantee'),
  checks: z.array(checkSchema),
  active: z
    .object({ version: z.string(), accuracy: share })
    .nullable()
    .describe('the active version on the same parts'),
  errorReduction: z
    .object({ active: z.number().nullable(), commonest: z.number().nullable() })
    .describe('1 - error / error of the other; null if the other makes no mistakes'),
  gate: z.object({ allowed: z.boolean(), reason: z.string() }),
  worst: z
    .array(z.object({ id: z.string(), label: z.string(), said: z.string(), probability: share }))
    .describe('mistakes on held-out parts, the most confident first'),
  latencyMs: z.number().optional().describe('latency of the base for one image on this machine, median'),
  seconds: z.object({ features: z.number(), training: z.number() }),
});
export type Report = z.output<typeof reportSchema>;
