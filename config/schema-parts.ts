/** Building blocks of the settings. */
import { z } from 'zod';
import { normalise, twinOf, whyNot } from './label-name.ts';

/** Names that become topic levels, label values and file names. */
export const name = (what = '') =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
      `${what}letters, digits, - and _, at most 63, starting with a letter or digit`,
    );

export const fraction = z.number().min(0).max(1);
export const milliseconds = (min: number, max: number) => z.number().int().min(min).max(max);

export const labelName = z
  .string()
  .min(1)
  .max(300)
  .overwrite(normalise)
  .superRefine((label, context) => {
    const why = whyNot(label);
    if (why !== undefined) context.addIssue({ code: 'custom', message: `cannot be a label: ${why}` });
  });

/** No two names may differ only in case or width. */
export const areDistinct = (labels: readonly string[]) =>
  labels.every((label, i) => twinOf(label, labels.slice(0, i)) === undefined);
