/** Looks into the audit log, and says whether somebody has been at it. */
import { basename } from 'node:path';
import { type AuditEntry, readLine } from './entry.ts';
import { linesOf, listAuditFiles } from './files.ts';

export interface AuditQuery {
  /** From this time on. */
  readonly since?: Date | undefined;
  /** Whole, or its beginning: `token:` is every token. */
  readonly who?: string | undefined;
  readonly action?: string | undefined;
  readonly outcome?: AuditEntry['outcome'] | undefined;
  /** Only what is older than this one. */
  readonly before?: number | undefined;
  readonly limit: number;
}

/** Newest first. Damaged lines are passed over: verifying names them. */
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
  /** Where the kept log begins; null while it is empty. */
  readonly first: { readonly sequence: number; readonly at: string } | null;
  /** Its newest line: kept elsewhere, it proves later that nothing before it was changed or cut off. */
  readonly head: { readonly sequence: number; readonly hash: string } | null;
  /** Every place where the chain does not hold, at most 100. */
  readonly problems: readonly string[];
}

const mostProblems = 100;

/**
 * Follows the chain through all files that are kept.
 * @param head hash of an earlier look: that line must still be there
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
  for (const file of files.damaged) problems.push(`${basename(file)}: set aside, its end could not be read`);
  if (!isHeadSeen) problems.push(`the line with hash ${head} is not there: lines were cut off or changed`);
  return {
    whole: problems.length === 0,
    entries,
    first,
    head: last ? { sequence: last.sequence, hash: last.hash } : null,
    problems: problems.slice(0, mostProblems),
  };
}
