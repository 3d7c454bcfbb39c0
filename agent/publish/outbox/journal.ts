/**
 * A small file in front of the store, written in place: its pages are there already, so that nothing but the record has to
 * reach the disk, once, where the store waits twice. The store takes over soon after; what it had not is read at the next start.
 * Written from Node's own pool of threads, since the store's may be in the midst of a transaction.
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

/** A thousand records of one part; the store takes over long before. */
const journalBytes = 1_024 * pageBytes;
/** While the store takes nothing, the journal grows up to this; what is in it is in memory too. */
const maxBytes = 16_384 * pageBytes;
/** A file that failed is opened again after this time, ms. */
const reopenAfterMs = 1_000;

/** The file is no journal that this agent can read. */
export class UnreadableJournal extends Error {}

export interface Journal {
  /** What was in it and the store may not have. */
  readonly found: Scanned;
  /** More than half of it is used. */
  readonly isFilling: boolean;
  /**
   * Resolves with the record's number once it would survive a power cut; undefined if there is no room now, or the file
   * failed and is not open again yet. One after the other: each waits for the one before.
   * @param mayGrow the file may become larger than it is
   * @throws what the operating system says, and the record does not count
   */
  write(parts: readonly JournalPart[], mayGrow?: boolean): Promise<number> | undefined;
  /** The store has everything up to this record: once that is all, the file is used from its beginning again. */
  taken(number: number): void;
  close(): Promise<void>;
}

/**
 * Opens the journal, or makes one of full size. After a write that failed the file is opened again: it may be another one
 * by then (a disk that was mounted again).
 * @param taken the newest record that the store has
 * @throws UnreadableJournal, or what the operating system says
 */
export async function openJournal(path: string, taken: number): Promise<Journal> {
  return journalOver(path, taken, await openFileAt(path, taken));
}

/** A journal that could not be made yet: it is made as soon as the disk takes it. */
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
        // Not the promise of a FileHandle: it takes a tenth of a millisecond longer.
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

  /** Finds its place again: the record that failed may be in the file nevertheless. */
  async function reopen(): Promise<void> {
    try {
      const again = await openFileAt(path, takenUpTo);
      newest = Math.max(newest, again.found.records.at(-1)?.number ?? 0);
      if (isClosed) await promisify(close)(again.fd);
      else file = again;
    } catch {
      // The write that failed has said why.
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
      // One that failed is written over by the next, under the same number.
      const record = encodeRecord({ number: newest + 1, parts });
      const most = mayGrow ? maxBytes : journalBytes;
      return file.at + record.length > most ? undefined : writeNext(file, record);
    },
    taken(number) {
      takenUpTo = number;
      // One that is being written lies behind the others: the beginning is for what follows all of them.
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
  /** Where the next record goes. */
  at: number;
}

async function openFileAt(path: string, taken: number): Promise<OpenFile> {
  const bytes = await readOrMake(path);
  const why = unreadable(bytes);
  if (why) throw new UnreadableJournal(why);
  const found = scan(bytes, taken);
  // Every write returns once its pages are on the disk: one wait of one thread for the whole record.
  const fd = await promisify(openFile)(path, constants.O_RDWR | constants.O_DSYNC);
  return { fd, found, at: found.end };
}

/** The whole file; where it was cut short the rest is filled up with nothing again. */
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

/** As much of the file as a journal can have; undefined if there is none. */
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
