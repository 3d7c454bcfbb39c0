import { z } from 'zod';

/**
 * Checks a value from outside (network, file, environment) against a schema. Use it instead of `schema.safeParse`: zod
 * compares the `length` of any value with a limit, which throws for `{"length": {"toString": 1}}`.
 * Never throws; such a value is a failed check.
 */
export function check<S extends z.ZodType>(schema: S, value: unknown): z.ZodSafeParseResult<z.output<S>> {
  try {
    return schema.safeParse(value);
  } catch {
    const message = 'the value is of a type that cannot be checked';
    return {
      success: false,
      error: new z.ZodError([{ code: 'custom', path: [], message, input: value }]) as z.ZodError<z.output<S>>,
    };
  }
}
