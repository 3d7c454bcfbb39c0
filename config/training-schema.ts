/** Settings of training. */
import { z } from 'zod';
import { fraction } from './schema-parts.ts';

export const trainingSchema = z.strictObject({
  views: z
    .enum(['auto', 'none', 'flips', 'turns'])
    .default('auto')
    .describe(
      'orientation of parts: none = always the same, flips = also mirrored, turns = also rotated by 90 degrees; auto = whichever evaluates best',
    ),
  augment: z
    .array(z.enum(['light', 'blur', 'crop', 'rotate']))
    .default([])
    .describe(
      'other variation between parts: light = 25 % darker or lighter, blur = slightly out of focus, crop = off centre, rotate = by 4 degrees',
    ),
  hidden: z
    .number()
    .int()
    .min(0)
    .max(1_024)
    .default(0)
    .describe('units of a hidden layer; 0 = a linear head, which needs the fewest labels'),
  fineTune: z
    .enum(['off', 'auto', 'on'])
    .default('off')
    .describe(
      'also fine-tune the last block of the base: auto = use it only if it is significantly better on held-out parts; takes minutes',
    ),
  escapeRate: fraction.gt(0).lt(1).default(0.05).describe('maximum share of bad parts that pass'),
  falseRejectRate: fraction
    .gt(0)
    .lt(1)
    .default(0.05)
    .describe('maximum share of good parts that fail for any one defect'),
  falseAlarmRate: fraction
    .gt(0)
    .lt(1)
    .default(0.05)
    .describe('maximum share of good parts that are uncertain because they are unlike the others'),
  costs: z
    .strictObject({
      escape: z.number().positive().describe('cost of a bad part that passes'),
      falseReject: z.number().positive().describe('cost of a good part that fails'),
      check: z.number().positive().describe('cost of checking an uncertain part by hand'),
      inspection: z
        .number()
        .min(0)
        .default(0)
        .describe('cost of inspecting one part (machine, power, service); used in the metrics only'),
    })
    .optional()
    .describe(
      'costs, all in the same unit: thresholds are derived from them instead of from the two rates; also used for the cost per part in the metrics',
    ),
  quantize: z
    .boolean()
    .default(true)
    .describe(
      'after an accepted training, also create an int8 variant of the base at the lowest priority, if none has passed its gate',
    ),
});
