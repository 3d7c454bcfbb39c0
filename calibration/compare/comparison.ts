/** The result of a comparison of bases, on disk and over HTTP. */
import { z } from 'zod';

const share = z.number().min(0).max(1);
const count = z.number().int().min(0);
const interval = z.object({ rate: share, low: share, high: share, wrong: count, of: count });

const difference = z.object({
  to: z.string().describe('base, or "image statistics"'),
  points: z.number().describe('accuracy minus that of the other, in percentage points'),
  low: z.number().describe('95 % interval of it, paired bootstrap over parts'),
  high: z.number(),
  won: count.describe('parts that only this base gets right'),
  lost: count.describe('parts that only the other gets right'),
  p: share.describe(
    'paired sign-flip test over parts; corrected after Holm where several bases are compared',
  ),
});
export type Difference = z.output<typeof difference>;

const speed = z.object({
  ms: z.number().positive().describe('of one part, median'),
  ratio: z
    .number()
    .positive()
    .describe('to the base in use in float, measured in turn with it; above 1: slower'),
});

const memory = z
  .object({ float: z.number(), int8: z.number().nullable() })
  .describe('MB by which a process grows that loads the base and judges three parts');

const figures = z.object({
  name: z.string(),
  sha256: z.string(),
  licence: z.string(),
  features: count,
  megabytes: z.number().describe('of its file'),
  isEmbedded: z.boolean(),
  inUse: z.boolean(),
  accuracy: z.object({ value: share, low: share, high: share }).describe('with 95 % interval'),
  escapes: interval.nullable().describe('bad parts that pass at its thresholds; null without good parts'),
  falseRejects: interval.nullable(),
  uncertain: interval,
  promised: z.boolean().describe('whether its thresholds promise the escape and false-reject rates'),
  goodOnly: z
    .object({ auroc: share, good: count, defects: count })
    .nullable()
    .describe('how well a memory of good parts alone ranks defects above good parts'),
  goodOnlyMissing: z.string().nullable().describe('why goodOnly is null'),
  places: z.string().nullable().describe('whether its head uses single places'),
  toStatistics: difference,
  toEmbedded: difference.nullable().describe('null for the embedded base'),
  toInUse: difference.nullable().describe('null for the base in use'),
  speed: z.object({ float: speed, int8: speed.nullable() }),
  memory: memory.nullable(),
  seconds: z.number().describe('that comparing it took'),
});
export type BaseFigures = z.output<typeof figures>;

export const comparisonSchema = z.object({
  schema: z.literal(1),
  madeAt: z.iso.datetime(),
  revision: z.string().describe('of the dataset'),
  frames: count,
  counts: z.record(z.string(), count).describe('frames of each label'),
  folds: count,
  inUse: z.string(),
  bases: z.array(figures).describe('the base in use first, then by accuracy'),
  failed: z
    .array(z.object({ name: z.string(), reason: z.string() }))
    .describe('bases that could not be compared'),
  recommended: z.string().nullable().describe('null: keep the base in use'),
  sentence: z.string().describe('the recommendation in words'),
  details: z.array(z.string()).describe('one sentence for each other base'),
  seconds: z.number(),
});
export type Comparison = z.output<typeof comparisonSchema>;
