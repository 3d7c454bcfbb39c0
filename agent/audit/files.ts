/** The files of the audit log: `audit.jsonl`, and older ones named `audit-<last sequence>.jsonl`. The oldest is deleted if there are too many. */
import { open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QcError } from '../../config/errors.ts';
import { syncFolder } from '../../models/disk/durable.ts';
import { readLines } from '../../models/disk/lines.ts';
import { takeLock } from '../../models/disk/lock.ts';
import { type AuditDraft, type AuditEntry, nextLine, noHash, readLine } from './entry.ts';

/** Number of files of the log: when the newest is full, the oldest is deleted. */
const files = 10;
/** Timeout of the lock, ms: commands write to the log too, and each process locks it only for a few lines. */
const patienceMs = 5_000;

const older = /^audit-(\d{12})\.jsonl$/;
const damaged = /^audit-damaged-.*\.jsonl$/;

export interface AuditFiles {
  /** Whole log, the oldest file first. */
  readonly all: readonly string[];
  /** Renamed because their end could not be read. */
  readonly damaged: readonly string[];
}

export async function listAuditFiles(directory: string): Promise<AuditFiles> {
  const names = await readdir(directory).catch((): string[] => []);
  const whole = names.filter((name) => older.test(name)).sort();
  if (names.includes('audit.jsonl')) whole.push('audit.jsonl');
  const path = (name: string) => join(directory, name);
  return { all: whole.map(path), damaged: names.filter((name) => damaged.test(name)).map(path) };
}

export interface AppendOptions {
  /** Size limit of all files together. */
  readonly maxBytes: number;
  /** Called for a file that was renamed because it is damaged. */
  readonly onNotice: (text: string) => void;
  /** Called for each entry when it is on disk, in order: also for those before one that failed. */
  readonly onWritten?: (entry: AuditEntry) => void;
}

/**
 * Appends lines, one process at a time; they are on disk when it resolves.
 * @throws errors of the disk; then no line after the failing one was added
 */
export async function appendAudit(
  directory: string,
  drafts: readonly { readonly draft: AuditDraft; readonly at: Date }[],
  { maxBytes, onNotice, onWritten = () => undefined }: AppendOptions,
): Promise<void> {
  await using _ = await lockSoon(join(directory, 'audit.lock'));
  const newest = join(directory, 'audit.jsonl');
  let { size, last } = await endOf(newest, directory, onNotice);
  for (const { draft, at } of drafts) {
    if (size >= maxBytes / files) {
      await rotate(directory, last?.sequence ?? 0);
      size = 0;
    }
    const line = nextLine(draft, (last?.sequence ?? 0) + 1, last?.hash ?? noHash, at);
    await addLine(newest, `${line}\n`, size);
    size += Buffer.byteLength(line) + 1;
    last = readLine(line)!;
    onWritten(last);
  }
}

async function addLine(file: string, line: string, size: number): Promise<void> {
  const handle = await open(file, 'a', 0o640);
  try {
    await handle.appendFile(line);
    await handle.datasync();
  } catch (error) {
    // Half a line would swallow the next one.
    await handle.truncate(size).catch(() => undefined);
    throw error;
  } finally {
    await handle.close();
  }
  if (size === 0) await syncFolder(join(file, '..'));
}

interface End {
  readonly size: number;
  readonly last: AuditEntry | undefined;
}

/** Size and last entry; an incomplete last line of a power failure was never acknowledged and is removed. */
async function endOf(file: string, directory: string, onNotice: (text: string) => void): Promise<End> {
  const { size, tail } = await readTail(file);
  const whole = size - (tail.length - (tail.lastIndexOf(0x0a) + 1));
  const last = lastOf(tail);
  if (whole > 0 && !last) {
    const aside = `audit-damaged-${new Date().toISOString().replaceAll(':', '-')}.jsonl`;
    await rename(file, join(directory, aside));
    onNotice(`the end of ${file} is damaged: it was renamed to ${aside}, and a new file was started`);
  } else if (whole < size) await cutAt(file, whole);
  if (last) return { size: whole, last };
  const before = (await listAuditFiles(directory)).all.findLast((one) => one !== file);
  return { size: 0, last: before === undefined ? undefined : lastOf((await readTail(before)).tail) };
}

/** The last complete line. */
function lastOf(tail: Buffer): AuditEntry | undefined {
  return readLine(tail.toString('utf8').split('\n').at(-2) ?? '');
}

/** Longer than any line, bytes. */
const tailBytes = 65_536;
const maxEntry = 1e6;

async function readTail(file: string): Promise<{ readonly size: number; readonly tail: Buffer }> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return { size: 0, tail: Buffer.alloc(0) };
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, tailBytes);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return { size, tail: buffer.subarray(0, bytesRead) };
  } finally {
    await handle.close();
  }
}

async function cutAt(file: string, size: number): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.truncate(size);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function rotate(directory: string, lastSequence: number): Promise<void> {
  const name = `audit-${String(lastSequence).padStart(12, '0')}.jsonl`;
  await rename(join(directory, 'audit.jsonl'), join(directory, name));
  const { all } = await listAuditFiles(directory);
  for (const file of all.slice(0, Math.max(0, all.length - (files - 1)))) await rm(file);
  await syncFolder(directory);
}

/** The lines of one file, oldest first; empty if the file has just been deleted. */
export async function linesOf(file: string): Promise<string[]> {
  // A line without its end is being written; a line longer than any entry is not an entry.
  const { lines } = await readLines(file, maxEntry);
  return lines.map((line) => line?.toString('utf8') ?? '');
}

async function lockSoon(file: string): Promise<AsyncDisposable> {
  for (const giveUpAt = performance.now() + patienceMs; ; ) {
    try {
      return await takeLock(file, { code: 'audit-busy', does: 'is writing to the audit log' });
    } catch (error) {
      const isBusy = error instanceof QcError && error.code === 'audit-busy';
      if (!isBusy || performance.now() > giveUpAt) throw error;
      await sleep(5 + Math.random() * 20);
    }
  }
}
