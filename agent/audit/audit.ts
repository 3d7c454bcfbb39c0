/** The audit log of a running agent: changes are recorded in order. */
import { QcError } from '../../config/errors.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import type { Log } from '../lifecycle/log.ts';
import type { AuditDraft, AuditEntry } from './entry.ts';
import { appendAudit } from './files.ts';
import { type AuditQuery, readAudit } from './read.ts';

export interface Audit {
  /**
   * On disk when it resolves, if the disk works. It never throws, because the change has happened already: an
   * entry that cannot be written is kept and written later, and the station reports that. A limited number of refusals
   * is recorded per minute.
   */
  record(draft: AuditDraft): Promise<void>;
  /** Call it before a change is made. @throws QcError audit-unavailable if the change could not be recorded */
  ready(): Promise<void>;
  /** Newest first. */
  read(query: AuditQuery): Promise<AuditEntry[]>;
}

export interface AuditDeps {
  readonly log: Log;
  /** Reports why changes cannot be recorded; an empty text when they can be recorded again. */
  readonly onFault: (text: string) => void;
}

/** Maximum number of refusals recorded per minute: refusals must not push the history out of the log. */
const refusalsPerMinute = 20;
const minuteMs = 60_000;
/** Maximum number of entries that wait for the disk; further ones are only logged. */
const maxWaiting = 10_000;
/** Delay after a failure before the waiting entries are written again, ms. */
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
    // A second copy in the log: its hash proves the file.
    log.info({ sequence, hash, who, outcome }, `recorded: ${action}`);
  };

  /** Writes the waiting entries in order, until all are on disk or one fails. */
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
    if (waiting.length >= maxWaiting) {
      log.error(draft, 'a change could not be recorded: too many entries are waiting for the disk');
      return Promise.resolve();
    }
    waiting.push({ draft, at: new Date() });
    return flush();
  }

  /** Records how many refusals of the past minute were left out. */
  function closeMinute(): void {
    const { unsaid } = minute;
    minute = { begun: performance.now(), refused: 0, unsaid: 0 };
    if (unsaid === 0) return;
    void write({
      who: 'agent',
      role: null,
      from: 'agent',
      action: 'refusals',
      what: { leftOut: unsaid },
      outcome: 'refused',
      code: null,
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
        log.error({ entries: waiting.length }, 'the agent stopped before these changes were recorded');
    },
  };
}
