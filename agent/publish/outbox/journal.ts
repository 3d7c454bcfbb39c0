/**
 * A small file in front of the store, written in place: its pages are there already, so that nothing but the record has to
 * reach the disk, once, where the store waits twice. The store takes over soon after; what it had not is read at the next start.
 * Written from Node's own pool of threads, since the store's may be in the midst of a transaction.
 */
import { close, constants, open as openFile, write } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { writeDurably } from '../../../models/durable.ts';
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

/** The file is no journal that this agent can read. */
export class UnreadableJournal extends Error {}

export interface Journal {
  /** What was in it and the store may not have. */
  readonly found: Scanned;
  /** More than half of it is used. */
  readonly isFilling: boolean;
  /**
   * Resolves with the record's number once it would survive a power cut; undefined where there is no room now. One after
   * the other: each waits for the one before. @throws what the operating system says, and the record does not count
   */
  write(parts: readonly JournalPart[]): Promise<number> | undefined;
  /** The store has everything up to this record: once that is all, the file is used from its beginning again. */
  taken(number: number): void;
  close(): Promise<void>;
}

/**
 * Opens the journal, or makes one of full size.
 * @param taken the newest record that the store has
 * @throws UnreadableJournal, or what the operating system says
 */
export async function openJournal(path: string, taken: number): Promise<Journal> {
  const bytes = await readOrMake(path);
  const why = unreadable(bytes);
  if (why) throw new UnreadableJournal(why);
  const found = scan(bytes, taken);
  // Every write returns once its pages are on the disk: one wait of one thread for the whole record.
  const fd = await promisify(openFile)(path, constants.O_RDWR | constants.O_DSYNC);
  let newest = found.records.at(-1)?.number ?? taken;
  let at = found.end;
  let isWriting = false;

  async function writeNext(record: Buffer): Promise<number> {
    isWriting = true;
    try {
      const written = await new Promise<number>((resolve, reject) => {
        // Not the promise of a FileHandle: it takes a tenth of a millisecond longer.
        write(fd, record, 0, record.length, at, (error, count) => (error ? reject(error) : resolve(count)));
      });
      if (written < record.length) throw new Error(`only ${written} of ${record.length} bytes were written`);
    } finally {
      isWriting = false;
    }
    at += record.length;
    return ++newest;
  }

  return {
    found,
    get isFilling() {
      return at > journalBytes / 2;
    },
    write(parts) {
      // One that failed is written over by the next, under the same number.
      const record = encodeRecord({ number: newest + 1, parts });
      return at + record.length > journalBytes ? undefined : writeNext(record);
    },
    taken(number) {
      // One that is being written lies behind the others: the beginning is for what follows all of them.
      if (number === newest && !isWriting) at = pageBytes;
    },
    close: () => promisify(close)(fd),
  };
}

/** The whole file; where it was cut short the rest is filled up with nothing again. */
async function readOrMake(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
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
