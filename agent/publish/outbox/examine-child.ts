/** Reads a whole store in its own process: a damaged store can crash the process that reads it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Disk, type Found, openDisk } from './disk.ts';
import type { ExamineAnswer, Examined, ExamineRequest } from './examine.ts';
import { type JournalRecord, scan, unreadable } from './journal-record.ts';
import { entriesOf, isOlder, lostOf, rebuildStore } from './rebuild.ts';
import { replay } from './replay.ts';

const endless = Number.MAX_SAFE_INTEGER;

process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
const say = (said: ExamineAnswer) => process.send?.(said, () => process.exit());
// lmdb's binding throws some errors outside of any promise.
process.on('uncaughtException', (error) => say({ damage: error.message }));
process.once('message', async (request: ExamineRequest) => {
  say(await answer(request));
});

async function answer(request: ExamineRequest): Promise<ExamineAnswer> {
  try {
    return { value: request.kind === 'examine' ? examine(request) : await rebuildStore(request) };
  } catch (error) {
    const { message, code } = error as Error & { code?: unknown };
    if (isOfTheSystem(error)) return { refused: message, code: code as string | number };
    return { damage: message };
  }
}

function examine({ directory, write }: Extract<ExamineRequest, { kind: 'examine' }>): Examined {
  const disk = openDisk(directory, { readOnly: !write });
  const found = disk.found();
  if (found.damage !== undefined) throw new Error(found.damage);
  // Not while an agent is running, which continues to write.
  if (write && isOlder(directory, found)) throw new Error('a page of it is an older one');
  let damaged = 0;
  let missing = 0;
  for (const [name, queue] of found.queues) {
    let entries = 0;
    for (const row of entriesOf(disk, name)) {
      entries++;
      if ('damaged' in row) damaged++;
    }
    missing += lostOf(queue, entries);
  }
  // While an agent is running, the entries may belong to a later transaction than the count.
  if (disk.found().time !== found.time) missing = 0;
  if (write && found.time !== undefined) tryToWrite(disk, found);
  const journaled = journaledIn(directory, found.journal);
  return { found: replay(found, journaled).found, unreadable: damaged, missing };
}

/** Journal records that are not in the store yet; none if the journal cannot be read. */
function journaledIn(directory: string, taken: number): readonly JournalRecord[] {
  try {
    const bytes = readFileSync(join(directory, 'journal'));
    return unreadable(bytes) ? [] : scan(bytes, taken).records;
  } catch {
    return [];
  }
}

/** Only a write reads the list of free pages. A write that fails because of the disk is not a sign of damage. */
function tryToWrite(disk: Disk, { time = 0, journal }: Found): void {
  const limits = { messages: endless, bytes: endless, ageMs: endless };
  try {
    disk.change({ now: time, limits, sequences: new Map(), queues: new Map(), journal });
  } catch (error) {
    if (!isOfTheSystem(error)) throw error;
  }
}

/** lmdb's own codes are below 0; those of the operating system are not about the content of the file. */
function isOfTheSystem(error: unknown): boolean {
  const { code, errno } = error as { code?: unknown; errno?: unknown };
  return (typeof code === 'number' && code > 0) || typeof errno === 'number';
}
