/**
 * A write-ahead file of fixed size. Its pages are already allocated, so a write waits for the disk once (the store waits
 * twice). Records are copied to the store soon after; the rest is read at the next start. It is written in Node's thread
 * pool, because the store's thread may be busy with a transaction.
 */
import { close, constants, ftruncate, open as openFile, write } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { writeDurably } from '../../../models/disk/durable.ts';
import {
  encodeRecord,
  firstPage,
  type JournalPart,
  pageBytes,
  type Scanned,
  scan,
  unreadable,
} from './journal-record.ts';

/** Enough for a thousand records of one part; they are copied to the store long before. */
const journalBytes = 1_024 * pageBytes;
/** Maximum size of the journal while the store fails; its content is in memory too. */
const maxBytes = 16_384 * pageBytes;
/** A file that failed is opened again after this time, ms. */
const reopenAfterMs = 1_000;

/** The file is not a journal that this agent can read. */
export class UnreadableJournal extends Error {}

export interface Journal {
  /** Records that may not be in the store yet. */
  readonly found: Scanned;
  /** Whether more than half of it is used. */
  readonly isFilling: boolean;
  /**
   * Resolves with the record's number once it would survive a power cut; undefined if there is no room, or if the file
   * failed and is not reopened yet. Writes are sequential.
   * @param mayGrow whether the file may grow
   * @throws the error of the operating system; the record is then invalid
   */
  write(parts: readonly JournalPart[], mayGrow?: boolean): Promise<number> | undefined;
  /** The store has everything up to this record. If that is all, the file is reused from its start. */
  taken(number: number): void;
  close(): Promise<void>;
}

/**
 * Opens the journal, or creates one of full size. After a failed write the file is reopened, because it may be another one
 * (a disk that was mounted again).
 * @param taken the newest record that the store has
 * @throws UnreadableJournal, or the error of the operating system
 */
export async function openJournal(path: string, taken: number): Promise<Journal> {
  return journalOver(path, taken, await openFileAt(path, taken));
}

/** A journal that could not be created yet: it is created as soon as the disk allows it. */
export function openJournalLater(path: string, taken: number): Journal {
  return journalOver(path, taken, undefined);
}

function journalOver(path: string, taken: number, opened: OpenFile | undefined): Journal {
  let file = opened;
  const found = opened?.found ?? { records: [], end: pageBytes, damaged: 0 };
  let newest = found.records.at(-1)?.number ?? taken;
  let takenUpTo = taken;
  let isWriting = false;
  let reopening: Promise<void> | undefined;
  let failedAt = 0;
  let isClosed = false;

  async function writeNext({ fd, at }: OpenFile, record: Buffer): Promise<number> {
    isWriting = true;
    try {
      const written = await new Promise<number>((resolve, reject) => {
        // Not with a FileHandle, whose promise takes 0.1 ms longer.
        write(fd, record, 0, record.length, at, (error, count) => (error ? reject(error) : resolve(count)));
      });
      if (written < record.length) throw new Error(`only ${written} of ${record.length} bytes were written`);
    } catch (error) {
      failedAt = performance.now();
      file = undefined;
      await promisify(close)(fd).catch(() => undefined);
      throw error;
    } finally {
      isWriting = false;
    }
    file!.at += record.length;
    return ++newest;
  }

  /** Determines the write position again: the failed record may be in the file nevertheless. */
  async function reopen(): Promise<void> {
    try {
      const again = await openFileAt(path, takenUpTo);
      newest = Math.max(newest, again.found.records.at(-1)?.number ?? 0);
      if (isClosed) await promisify(close)(again.fd);
      else file = again;
    } catch {
      // The failed write has already reported the reason.
      failedAt = performance.now();
    }
  }

  return {
    found,
    get isFilling() {
      return file !== undefined && file.at > journalBytes / 2;
    },
    write(parts, mayGrow = false) {
      if (!file) {
        if (performance.now() - failedAt >= reopenAfterMs) {
          reopening ??= reopen().finally(() => {
            reopening = undefined;
          });
        }
        return undefined;
      }
      // A failed record is overwritten by the next one, with the same number.
      const record = encodeRecord({ number: newest + 1, parts });
      const most = mayGrow ? maxBytes : journalBytes;
      return file.at + record.length > most ? undefined : writeNext(file, record);
    },
    taken(number) {
      takenUpTo = number;
      // Not while a record is being written: it is behind the others, and only later records may start at the beginning.
      if (number !== newest || isWriting || !file) return;
      if (file.at > journalBytes) ftruncate(file.fd, journalBytes, () => undefined);
      file.at = pageBytes;
    },
    async close() {
      isClosed = true;
      await reopening;
      if (file) await promisify(close)(file.fd);
    },
  };
}

interface OpenFile {
  readonly fd: number;
  readonly found: Scanned;
  /** Offset of the next record. */
  at: number;
}

async function openFileAt(path: string, taken: number): Promise<OpenFile> {
  const bytes = await readOrMake(path);
  const why = unreadable(bytes);
  if (why) throw new UnreadableJournal(why);
  const found = scan(bytes, taken);
  // O_DSYNC: a write returns once its pages are on the disk, so one thread waits once for the whole record.
  const fd = await promisify(openFile)(path, constants.O_RDWR | constants.O_DSYNC);
  return { fd, found, at: found.end };
}

/** The whole file; a truncated file is filled with zeros again. */
async function readOrMake(path: string): Promise<Buffer> {
  const bytes = await readStart(path);
  if (!bytes) {
    const made = Buffer.concat([firstPage()], journalBytes);
    await writeDurably(path, made);
    return made;
  }
  if (bytes.length < journalBytes && !unreadable(bytes)) {
    const handle = await open(path, 'r+');
    try {
      await handle.write(Buffer.alloc(journalBytes - bytes.length), 0, undefined, bytes.length);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  return bytes;
}

/** The file up to the maximum size of a journal; undefined if there is none. */
export async function readStart(path: string): Promise<Buffer | undefined> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    const bytes = Buffer.alloc(Math.min(size, maxBytes));
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await handle.close();
  }
}
