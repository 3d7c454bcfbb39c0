/** Records changes by the command line in the audit log. */
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { type AuditDraft, factsOf } from '../audit/entry.ts';
import { appendAudit } from '../audit/files.ts';
import { warn, whoami } from './shell.ts';

/**
 * Does the work, and records author, action and outcome. If the record cannot be written, it warns, and the work is not
 * undone. @throws errors of the work
 */
export async function recorded<T>(
  { storage: { directory, auditMb } }: Pick<Config, 'storage'>,
  action: string,
  what: object,
  work: () => Promise<T>,
): Promise<T> {
  const record = async (outcome: AuditDraft['outcome'], code: string | null) => {
    const draft: AuditDraft = {
      who: `cli:${whoami()}`,
      role: null,
      from: 'command line',
      action,
      what: factsOf(what),
      outcome,
      code,
    };
    try {
      await makeFolders(directory);
      const limits = { maxBytes: auditMb * 1e6, onNotice: warn };
      await appendAudit(directory, [{ draft, at: new Date() }], limits);
    } catch (error) {
      warn(`this could not be recorded in audit.jsonl: ${(error as Error).message}`);
    }
  };
  try {
    const result = await work();
    await record('done', null);
    return result;
  } catch (error) {
    const code = error instanceof QcError ? error.code : 'internal';
    await record(code === 'internal' ? 'failed' : 'refused', code);
    throw error;
  }
}
