/** What a check of the doctor found. */
import { dayOf, daysUntil } from '../../config/certificate.ts';
import { QcError } from '../../config/errors.ts';

export interface Finding {
  /** What was checked: `config`, `camera top`, `broker` … */
  readonly check: string;
  /** False if it fails; a warning is ok. */
  readonly ok: boolean;
  readonly level: 'ok' | 'warn' | 'fail';
  /** What was found. Never contains a secret. */
  readonly detail: string;
  /** What to do about it; absent if everything is fine. */
  readonly remedy?: string;
}

export function good(check: string, detail: string): Finding {
  return { check, ok: true, level: 'ok', detail };
}

export function warning(check: string, detail: string, remedy: string): Finding {
  return { check, ok: true, level: 'warn', detail, remedy };
}

export function failure(check: string, detail: string, remedy: string): Finding {
  return { check, ok: false, level: 'fail', detail, remedy };
}

/** A QcError already says what is wrong and what to do. */
export function failureOf(check: string, error: unknown): Finding {
  const known = error instanceof QcError ? error : new QcError('internal', String(error), { cause: error });
  return failure(check, known.message, known.remedy);
}

/** Days before the expiry of a certificate at which the doctor warns. */
const renewDays = 30;

/** A warning if a certificate expires soon. */
export function expiring(check: string, what: string, validTo: Date | undefined): Finding[] {
  if (!validTo || daysUntil(validTo) >= renewDays) return [];
  const days = daysUntil(validTo);
  const detail = `${what} expires in ${days} day${days === 1 ? '' : 's'}, on ${dayOf(validTo)}`;
  return [warning(check, detail, 'renew it in time; the agent uses the new file at the next connection')];
}
