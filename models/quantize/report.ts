/** What is known of a quantized base: why it passed its gate or was refused. */
import { z } from 'zod';
import { methods } from '../onnx/quantize/ranges.ts';

const share = z.number().min(0).max(1);

/** A head trained on float features, on parts that it had not seen: with float features, and with quantized ones. */
export const heldOutSchema = z.strictObject({
  frames: z.number().int().positive(),
  fp32: share.describe('share of right answers'),
  int8: share,
  /** Parts like the labelled ones that are called unfamiliar. */
  unfamiliar: z.strictObject({ fp32: share, int8: share }),
  /** Bad parts that pass, by the limits that judge now; null where no bad or no good parts are labelled. */
  escapes: z.strictObject({ fp32: share, int8: share }).nullable(),
});
export type HeldOut = z.output<typeof heldOutSchema>;

/** In the manifest of a variant that passed. */
export const quantizationSchema = z.strictObject({
  method: z.enum(methods).describe('how the range of an activation was chosen'),
  frames: z.number().int().positive().describe('pictures that the ranges were chosen on'),
  source: z.string().describe('where they came from'),
  correlation: z.number().describe('of features with those of the float base, mean over other pictures'),
  leastCorrelation: z.number().describe('of the picture where it is least'),
  maps: z
    .partialRecord(z.enum(['stage2', 'stage3']), z.number())
    .optional()
    .describe('correlation of the maps with those of the float base, mean over the same pictures'),
  speedup: z
    .number()
    .positive()
    .describe('float over 8 bits, CPU time of an inference on the machine that made it'),
  threads: z.number().int().min(0).describe('at that; 0 = one a core'),
  float: z.array(z.string()).describe('operators that stay in float'),
  operators: z.number().int().min(0).describe('operators in 8 bits'),
  heldOut: heldOutSchema.nullable().describe('null where too little is labelled to tell'),
  madeAt: z.iso.datetime(),
});
export type Quantization = z.output<typeof quantizationSchema>;

/** Beside it, and alone where it was refused: `<name>.int8.report.json`. */
export const reportSchema = z.strictObject({
  schema: z.literal(1),
  base: z.strictObject({ name: z.string(), sha256: z.string() }),
  revision: z.string().nullable().describe('of the dataset; null where none was used'),
  passed: z.boolean(),
  reason: z.string(),
  quantization: quantizationSchema,
  methods: z
    .partialRecord(z.enum(methods), z.number())
    .describe('correlation with each way to choose ranges'),
  layers: z.array(
    z.strictObject({
      tensor: z.string(),
      sqnr: z.number().describe('signal over what 8 bits changed up to there, dB'),
    }),
  ),
});
export type QuantizationReport = z.output<typeof reportSchema>;
