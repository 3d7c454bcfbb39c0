/** The audit log of a running agent: changes are recorded in the order in which they came. */
import { mkdir } from 'node:fs/promises';
import type { Log } from '../lifecycle/log.ts';
import type { AuditDraft, AuditEntry } from './entry.ts';
import { appendAudit } from './files.ts';
import { type AuditQuery, readAudit } from './read.ts';

export interface Audit {
  /**
   * On the disk once it resolves; it never throws, since what it tells of has happened already: where it cannot be
   * written, the station says so. Of what is refused, only so much is kept each minute.
   */
  record(draft: AuditDraft): Promise<void>;
  /** Newest first. */
  read(query: AuditQuery): Promise<AuditEntry[]>;
}

export interface AuditDeps {
  readonly log: Log;
  /** Why changes cannot be recorded; empty once they can be again. */
  readonly onFault: (text: string) => void;
}

/** Refusals that are kept each minute: nobody shall push the history out of the log by being refused. */
const refusalsPerMinute = 20;
const minuteMs = 60_000;
/** Waiting for the disk; beyond, the log says what the file cannot. */
const mostWaiting = 10_000;

/** @throws where the directory cannot be made */
export async function openAudit(
  { directory, auditMb }: { readonly directory: string; readonly auditMb: number },
  deps: AuditDeps,
): Promise<Audit & AsyncDisposable> {
  const log = deps.log.child({ component: 'audit' });
  await mkdir(directory, { recursive: true });
  const limits = { maxBytes: auditMb * 1e6, onNotice: (text: string) => log.warn(text) };
  let waiting: { readonly draft: AuditDraft; readonly at: Date }[] = [];
  let writing: Promise<void> | undefined;
  let minute = { begun: performance.now(), refused: 0, unsaid: 0 };

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        for (const { sequence, hash, who, action, outcome } of await appendAudit(directory, batch, limits)) {
          // A second copy, wherever the log is collected: its hash proves the file.
          log.info({ sequence, hash, who, outcome }, `recorded: ${action}`);
        }
        deps.onFault('');
      } catch (error) {
        for (const { draft } of batch) log.error({ err: error, ...draft }, 'a change could not be recorded');
        deps.onFault(`changes cannot be recorded in audit.jsonl: ${(error as Error).message}`);
      }
    }
    writing = undefined;
  }

  function write(draft: AuditDraft): Promise<void> {
    if (waiting.length >= mostWaiting) {
      log.error(draft, 'a change could not be recorded: too many wait for the disk');
      return Promise.resolve();
    }
    waiting.push({ draft, at: new Date() });
    writing ??= writeAll();
    return writing;
  }

  /** Says what was left out of the minute that is over. */
  function closeMinute(): void {
    const { unsaid } = minute;
    minute = { begun: performance.now(), refused: 0, unsaid: 0 };
    if (unsaid === 0) return;
    void write({
      ...{ who: 'agent', role: null, from: 'agent', action: 'refusals', what: { leftOut: unsaid } },
      ...{ outcome: 'refused', code: null },
    });
  }

  return {
    async record(draft) {
      if (performance.now() - minute.begun >= minuteMs) closeMinute();
      if (draft.outcome === 'refused' && ++minute.refused > refusalsPerMinute) minute.unsaid++;
      else await write(draft);
    },
    read: (query) => readAudit(directory, query),
    async [Symbol.asyncDispose]() {
      closeMinute();
      await writing;
    },
  };
}
