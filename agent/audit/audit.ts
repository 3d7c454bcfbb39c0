/** The audit log of a running agent: changes are recorded in the order in which they came. */
import { QcError } from '../../config/errors.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import type { Log } from '../lifecycle/log.ts';
import type { AuditDraft, AuditEntry } from './entry.ts';
import { appendAudit } from './files.ts';
import { type AuditQuery, readAudit } from './read.ts';

export interface Audit {
  /**
   * On the disk once it resolves, if the disk takes it. It never throws, since what it tells of has happened already: an
   * entry that cannot be written is kept and written later, and the station reports that. Of refusals, a limited number
   * is kept each minute.
   */
  record(draft: AuditDraft): Promise<void>;
  /** Call it before a change is made. @throws QcError audit-unavailable if the change could not be recorded */
  ready(): Promise<void>;
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
/** How long after a failure the entries that wait are written again, ms. */
const retryMs = 5_000;

/** The directory may be missing until the first entry. */
export async function openAudit(
  { directory, auditMb }: { readonly directory: string; readonly auditMb: number },
  deps: AuditDeps,
): Promise<Audit & AsyncDisposable> {
  const log = deps.log.child({ component: 'audit' });
  const limits = { maxBytes: auditMb * 1e6, onNotice: (text: string) => log.warn(text) };
  const waiting: { readonly draft: AuditDraft; readonly at: Date; isLogged?: true }[] = [];
  let writing: Promise<void> | undefined;
  let fault = '';
  let timer: NodeJS.Timeout | undefined;
  let minute = { begun: performance.now(), refused: 0, unsaid: 0 };

  const onWritten = ({ sequence, hash, who, action, outcome }: AuditEntry) => {
    waiting.shift();
    // A second copy, wherever the log is collected: its hash proves the file.
    log.info({ sequence, hash, who, outcome }, `recorded: ${action}`);
  };

  /** Writes what waits, in order, until it is all on the disk or the disk refuses one. */
  async function writeAll(): Promise<void> {
    clearTimeout(timer);
    try {
      await makeFolders(directory);
      while (waiting.length > 0) await appendAudit(directory, [...waiting], { ...limits, onWritten });
      fault = '';
    } catch (error) {
      fault = `changes cannot be recorded in audit.jsonl: ${(error as Error).message}`;
      for (const entry of waiting.filter(({ isLogged }) => !isLogged)) {
        entry.isLogged = true;
        log.error({ err: error, ...entry.draft }, 'a change is not recorded yet');
      }
      timer = setTimeout(() => void flush(), retryMs).unref();
    }
    deps.onFault(fault);
    writing = undefined;
  }

  function flush(): Promise<void> {
    writing ??= writeAll();
    return writing;
  }

  function write(draft: AuditDraft): Promise<void> {
    if (waiting.length >= mostWaiting) {
      log.error(draft, 'a change could not be recorded: too many wait for the disk');
      return Promise.resolve();
    }
    waiting.push({ draft, at: new Date() });
    return flush();
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
    async ready() {
      if (fault !== '') await flush();
      if (fault !== '') throw new QcError('audit-unavailable', fault);
    },
    read: (query) => readAudit(directory, query),
    async [Symbol.asyncDispose]() {
      closeMinute();
      await flush();
      clearTimeout(timer);
      if (waiting.length > 0)
        log.error({ entries: waiting.length }, 'stopped with changes that are not recorded');
    },
  };
}
