/** Settings of the shifts, by which the page and the API group the statistics. */
import { z } from 'zod';

/** Whether the runtime knows this time zone. */
function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

const startSchema = z.strictObject({
  name: z.string().min(1).max(40).describe('name of the shift, shown on the page'),
  at: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'write a time of the day as HH:MM, in quotes, such as "06:00"')
    .describe('when it begins, HH:MM of the local clock; it ends when the next one begins'),
});

export const shiftsSchema = z.strictObject({
  timeZone: z
    .string()
    .min(1)
    .refine(isTimeZone, 'is not the name of a time zone, such as Europe/Berlin')
    .optional()
    .describe('time zone of the start times, such as Europe/Berlin; default: that of the machine'),
  starts: z
    .array(startSchema)
    .min(1)
    .max(24)
    .refine(
      (all) => new Set(all.map(({ at }) => at)).size === all.length,
      'two shifts begin at the same time',
    )
    .default([
      { name: 'Early', at: '06:00' },
      { name: 'Late', at: '14:00' },
      { name: 'Night', at: '22:00' },
    ])
    .describe('shifts of a day'),
});
