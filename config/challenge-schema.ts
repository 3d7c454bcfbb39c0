/** Settings of the challenge test: known good and known bad parts that the station must classify correctly. */
import { z } from 'zod';
import { name } from './schema-parts.ts';

const parts = z.number().int().min(1).max(20).default(1);

export const challengeSchema = z.strictObject({
  times: z
    .array(
      z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time must look like "06:00", 24 hours, in quotes'),
    )
    .max(48)
    .default([])
    .describe(
      'times of day, in the time zone of the machine, at which a challenge test is due, for example ["06:00", "14:00"]; none = only on request',
    ),
  withinMinutes: z
    .number()
    .int()
    .min(1)
    .max(1_440)
    .default(15)
    .describe(
      'minutes from a due time until the test must have succeeded, and maximum duration of a test; then the station is degraded',
    ),
  good: parts.describe('number of parts known to be good, for each camera'),
  bad: parts.describe('number of parts known to be bad, for each camera'),
  cameras: z
    .array(name('camera name: '))
    .min(1)
    .optional()
    .describe('cameras that are tested; default: all cameras'),
  acceptUncertain: z
    .boolean()
    .default(true)
    .describe(
      'whether a part known to be bad may be uncertain: it is held back and does not pass; false = it must fail',
    ),
});
