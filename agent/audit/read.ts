/** Reads the audit log and verifies that it was not changed. */
import { basename } from 'node:path';
import { type AuditEntry, readLine } from './entry.ts';
import { linesOf, listAuditFiles } from './files.ts';

export interface AuditQuery {
  /** Only entries at or after this time. */
  readonly since?: Date | undefined;
  /** The whole name, or its prefix: `token:` matches every token. */
  readonly who?: string | undefined;
  readonly action?: string | undefined;
  readonly outcome?: AuditEntry['outcome'] | undefined;
  /** Only entries older than this one. */
  readonly before?: number | undefined;
  readonly limit: number;
}

/** Newest first. Damaged lines are skipped; verifying reports them. */
export async function readAudit(directory: string, query: AuditQuery): Promise<AuditEntry[]> {
  const found: AuditEntry[] = [];
  for (const file of (await listAuditFiles(directory)).all.toReversed()) {
    for (const line of (await linesOf(file)).toReversed()) {
      const entry = readLine(line);
      if (entry && fits(entry, query)) found.push(entry);
      if (found.length >= query.limit) return found;
    }
  }
  return found;
}

const fits = (entry: AuditEntry, { since, who, action, outcome, before }: AuditQuery): boolean =>
  (since === undefined || entry.at >= since.toISOString()) &&
  (who === undefined || entry.who.startsWith(who)) &&
  (action === undefined || entry.action === action) &&
  (outcome === undefined || entry.outcome === outcome) &&
  (before === undefined || entry.sequence < before);

export interface AuditProof {
  readonly whole: boolean;
  readonly entries: number;
  /** Oldest entry; null while the log is empty. */
  readonly first: { readonly sequence: number; readonly at: string } | null;
  /** Hash of the newest line: stored elsewhere, it proves later that nothing before it was changed or removed. */
  readonly head: { readonly sequence: number; readonly hash: string } | null;
  /** Every place where the hash chain is broken, at most 100. */
  readonly problems: readonly string[];
}

const maxProblems = 100;

/**
 * Verifies the hash chain through all files.
 * @param head hash of an earlier verification: that line must still exist
 */
export async function verifyAudit(directory: string, head?: string): Promise<AuditProof> {
  const problems: string[] = [];
  let entries = 0;
  let first: AuditProof['first'] = null;
  let last: AuditEntry | undefined;
  let isHeadSeen = head === undefined;
  const files = await listAuditFiles(directory);
  for (const file of files.all) {
    for (const [index, line] of (await linesOf(file)).entries()) {
      const where = `${basename(file)}, line ${index + 1}`;
      const entry = readLine(line);
      if (!entry) {
        problems.push(`${where}: changed or damaged`);
        continue;
      }
      entries++;
      first ??= { sequence: entry.sequence, at: entry.at };
      if (last && (entry.previous !== last.hash || entry.sequence !== last.sequence + 1)) {
        problems.push(`${where}: does not follow number ${last.sequence}: lines were changed or are missing`);
      }
      isHeadSeen ||= entry.hash === head;
      last = entry;
    }
  }
  for (const file of files.damaged)
    problems.push(`${basename(file)}: a damaged file whose end cannot be read`);
  if (!isHeadSeen) problems.push(`the line with hash ${head} is missing: lines were removed or changed`);
  return {
    whole: problems.length === 0,
    entries,
    first,
    head: last ? { sequence: last.sequence, hash: last.hash } : null,
    problems: problems.slice(0, maxProblems),
  };
}
