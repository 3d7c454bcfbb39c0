/** Report of a quantized base: its figures, and why it passed its check or was refused. */
import { z } from 'zod';
import { methods } from '../onnx/quantize/ranges.ts';

const share = z.number().min(0).max(1);

/** Cross-validated results of a head trained on float features, with float and with int8 features. */
export const heldOutSchema = z.strictObject({
  frames: z.number().int().positive(),
  fp32: share.describe('share of correct answers'),
  int8: share,
  /** Share of in-distribution parts that are called unfamiliar. */
  unfamiliar: z.strictObject({ fp32: share, int8: share }),
  /** Share of bad parts that pass with the active thresholds; null without labelled good or bad parts. */
  escapes: z.strictObject({ fp32: share, int8: share }).nullable(),
});
export type HeldOut = z.output<typeof heldOutSchema>;

/** Part of the manifest of a variant that passed. */
export const quantizationSchema = z.strictObject({
  method: z.enum(methods).describe('how the range of an activation was chosen'),
  frames: z.number().int().positive().describe('number of images used to choose the ranges'),
  source: z.string().describe('origin of these images'),
  correlation: z.number().describe('of features with those of the float base, mean over held-out images'),
  leastCorrelation: z.number().describe('of the image with the lowest correlation'),
  maps: z
    .partialRecord(z.enum(['stage2', 'stage3']), z.number())
    .optional()
    .describe('correlation of the maps with those of the float base, mean over the same images'),
  speedup: z
    .number()
    .positive()
    .describe(
      'CPU time of a float inference divided by that of an int8 inference, on the machine that made it',
    ),
  threads: z.number().int().min(0).describe('threads of this measurement; 0 = one per core'),
  float: z.array(z.string()).describe('operators that stay in float'),
  operators: z.number().int().min(0).describe('operators in 8 bits'),
  heldOut: heldOutSchema.nullable().describe('null with too few labelled frames'),
  madeAt: z.iso.datetime(),
});
export type Quantization = z.output<typeof quantizationSchema>;

/** `<name>.int8.report.json`, written whether the variant passed or not. */
export const reportSchema = z.strictObject({
  schema: z.literal(1),
  base: z.strictObject({ name: z.string(), sha256: z.string() }),
  revision: z.string().nullable().describe('of the dataset; null if none was used'),
  passed: z.boolean(),
  reason: z.string(),
  quantization: quantizationSchema,
  methods: z
    .partialRecord(z.enum(methods), z.number())
    .describe('correlation for each method to choose ranges'),
  layers: z.array(
    z.strictObject({
      tensor: z.string(),
      sqnr: z.number().describe('signal to quantization noise ratio up to this tensor, dB'),
    }),
  ),
});
export type QuantizationReport = z.output<typeof reportSchema>;
