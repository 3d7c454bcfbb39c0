/** What `qc-agent audit` says, and the record of what the command line itself changes. */
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { type AuditDraft, type AuditEntry, factsOf } from '../audit/entry.ts';
import { appendAudit } from '../audit/files.ts';
import { type AuditQuery, readAudit, verifyAudit } from '../audit/read.ts';
import type { CommandAnswer } from './models-commands.ts';

type StorageConfig = Pick<Config, 'storage'>;

/** Newest last, as logs are read. */
export async function auditCommand({ storage }: StorageConfig, query: AuditQuery): Promise<CommandAnswer> {
  const entries = (await readAudit(storage.directory, query)).toReversed();
  const text = entries.length > 0 ? entries.map(lineOf).join('\n') : 'nothing is recorded that fits';
  return { text, json: entries };
}

/** `whole`: the chain holds. @param head of an earlier look */
export async function auditVerifyCommand(
  { storage }: StorageConfig,
  head: string | undefined,
): Promise<CommandAnswer & { readonly whole: boolean }> {
  const proof = await verifyAudit(storage.directory, head);
  const { whole, entries, first, problems } = proof;
  const since = first ? ` since ${first.at}, number ${first.sequence}` : '';
  const lines = problems.map((problem) => `PROBLEM  ${problem}`);
  lines.push(whole ? `whole: ${entries} entries${since}` : `NOT WHOLE: ${entries} entries can be read`);
  if (proof.head) {
    lines.push(`head: number ${proof.head.sequence}, ${proof.head.hash}`);
    lines.push('Keep the head elsewhere: --head then proves that nothing up to it was changed or cut off.');
  }
  return { text: lines.join('\n'), json: proof, whole };
}

function lineOf({ at, who, role, from, action, what, outcome, code }: AuditEntry): string {
  const facts = Object.entries(what).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const by = role === null ? who : `${who} (${role})`;
  const came = outcome === 'done' ? '' : `: ${outcome.toUpperCase()}${code === null ? '' : ` ${code}`}`;
  return `${at}  ${by} from ${from}: ${[action, ...facts].join(' ')}${came}`;
}

/** `24h`, `7d`, or a time in ISO 8601. @throws QcError command-invalid */
export function sinceOf(text: string, now = Date.now()): Date {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit];
  const date = unitMs ? new Date(now - Number(count) * unitMs) : new Date(text);
  if (!Number.isNaN(date.getTime())) return date;
  throw new QcError('command-invalid', `"${text}" is no time`, {
    remedy: 'write 24h, 7d or 2026-11-24T06:00Z',
  });
}

export interface CommandFacts {
  /** Of the operating system. */
  readonly user: string;
  readonly action: string;
  readonly what: object;
}

/**
 * Does the work and records it, however it ends.
 * @throws what the work throws; where it cannot be recorded, that is told and the work stands
 */
export async function recordedCommand<T>(
  { storage: { directory, auditMb } }: StorageConfig,
  { user, action, what }: CommandFacts,
  work: () => Promise<T>,
  onNotice: (text: string) => void,
): Promise<T> {
  const record = async (outcome: AuditDraft['outcome'], code: string | null) => {
    const draft: AuditDraft = {
      ...{ who: `cli:${user}`, role: null, from: 'command line' },
      ...{ action, what: factsOf(what), outcome, code },
    };
    try {
      await makeFolders(directory);
      await appendAudit(directory, [{ draft, at: new Date() }], { maxBytes: auditMb * 1e6, onNotice });
    } catch (error) {
      onNotice(`this could not be recorded in audit.jsonl: ${(error as Error).message}`);
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
