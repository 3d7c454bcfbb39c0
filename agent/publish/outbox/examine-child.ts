/** Reads a whole store, and dies of it where it is damaged, so that the agent does not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Disk, type Found, openDisk } from './disk.ts';
import type { Examine, Examined, Refused } from './examine.ts';
import { type JournalRecord, scan, unreadable } from './journal-record.ts';
import { replay } from './replay.ts';

const endless = Number.MAX_SAFE_INTEGER;
const readAtOnce = 256;

process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.once('message', (options: Examine) => {
  process.send?.(examine(options), () => process.exit());
});

function examine({ directory, write }: Examine): Examined | Refused {
  try {
    const disk = openDisk(directory, { readOnly: !write });
    const found = disk.found();
    let damaged = 0;
    for (const [queue, { newestId }] of found.queues) {
      for (let after = 0; after < newestId; ) {
        const rows = disk.read(queue, after, readAtOnce);
        damaged += rows.filter((row) => 'damaged' in row).length;
        after = rows.at(-1)?.id ?? endless;
      }
    }
    if (write && found.time !== undefined) tryToWrite(disk, found);
    return { found: replay(found, journaledIn(directory, found.journal)).found, unreadable: damaged };
  } catch (error) {
    const { message } = error as Error;
    if (isOfTheSystem(error)) return { refused: message };
    return { damage: message };
  }
}

/** What the store has yet to take over; nothing where the journal cannot be read. */
function journaledIn(directory: string, taken: number): readonly JournalRecord[] {
  try {
    const bytes = readFileSync(join(directory, 'journal'));
    return unreadable(bytes) ? [] : scan(bytes, taken).records;
  } catch {
    return [];
  }
}

/** The list of free pages is only looked at by writing. A disk that takes nothing just now says nothing about it. */
function tryToWrite(disk: Disk, { time = 0, journal }: Found): void {
  const limits = { messages: endless, bytes: endless, ageMs: endless };
  try {
    disk.change({ now: time, limits, sequences: new Map(), queues: new Map(), journal });
  } catch (error) {
    if (!isOfTheSystem(error)) throw error;
  }
}

/** lmdb's own codes are below 0; those of the operating system say nothing of what is in the file. */
function isOfTheSystem(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' && code > 0;
}
