/** Schemas of bases over HTTP. */
import { z } from 'zod';
import { comparisonSchema } from './comparison.ts';

const count = z.number().int().min(0);
export const baseName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/, 'must be the name of a base');

/** A base at an input size (models/sized.ts). */
const sizedBaseName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}(@\d{2,4}x\d{2,4})?$/, 'must be the name of a base')
  .describe('NAME, or NAME@WIDTHxHEIGHT for another input size');

export const baseView = z.object({
  name: z.string(),
  inUse: z.boolean(),
  isEmbedded: z.boolean().describe('part of this package'),
  licence: z.string(),
  origin: z.string().describe('where the weights come from'),
  network: z.string().nullable(),
  cost: z.number().nullable().describe('time of one image, as a multiple of the embedded base'),
  features: count.describe('of one image'),
  width: count.describe('of the image that it takes, in pixels'),
  height: count,
  megabytes: z.number().nullable().describe('of its file; null if it is missing'),
  int8: z.boolean().describe('whether it has an int8 variant'),
});
export type BaseView = z.output<typeof baseView>;

export const jobView = z.object({
  state: z.enum(['idle', 'running', 'done', 'failed', 'cancelled']),
  step: z.string().describe('the current step, for the operator'),
  done: count,
  total: count,
  startedAt: z.string().nullable().describe('ISO 8601, UTC'),
  by: z.string().nullable().describe('who started it'),
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).nullable(),
});
export type JobView = z.output<typeof jobView>;

export const comparingView = jobView.extend({
  comparison: comparisonSchema.nullable().describe('the last one that was completed'),
});
export type ComparingView = z.output<typeof comparingView>;

export const compareRequest = z.object({
  names: z
    .array(sizedBaseName)
    .max(20)
    .default([])
    .describe('bases to compare with the base in use; empty: all installed ones'),
  sizes: z.boolean().default(false).describe('also compare the base in use at other input sizes'),
  maxMs: z
    .number()
    .positive()
    .optional()
    .describe('a base that takes longer for a part is not recommended, ms'),
  frames: z.number().int().min(8).max(5_000).optional().describe('maximum number of frames; default: 600'),
});
export type CompareRequest = z.output<typeof compareRequest>;

export const switchRequest = z.object({
  base: sizedBaseName,
  promote: z.boolean().default(false).describe('promote the candidate if its gate accepts it'),
});
export type SwitchRequest = z.output<typeof switchRequest>;
