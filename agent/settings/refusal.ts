import { QcError } from '../../config/errors.ts';
import type { Problem } from '../../config/problems.ts';

/** The refusal of a change, for a page: names keys instead of lines of a file. Each problem has its own remedy. */
export function refusalOf(problems: readonly Omit<Problem, 'where'>[]): QcError {
  const what = problems.map(({ key, what, remedy }) => `${key}: ${what} — ${remedy}`).join('; ');
  return new QcError('config-invalid', what, { remedy: '' });
}
