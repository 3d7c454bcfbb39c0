/** The outbox's files, opened for writing: the store and its journal. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDiskFault } from '../../../models/disk/disk-fault.ts';
import { syncFolder } from '../../../models/disk/durable.ts';
import { makeFolders } from '../../../models/disk/folders.ts';
import type { Log } from '../../lifecycle/log.ts';
import { makeAside } from './aside.ts';
import type { Found } from './disk.ts';
import type { OpenDisk } from './disk-thread.ts';
import { examine, rebuild } from './examine.ts';
import { type Journal, openJournal, openJournalLater, readStart, UnreadableJournal } from './journal.ts';
import type { Scanned } from './journal-record.ts';
import { type LastingDisk, openLastingDisk } from './lasting-disk.ts';
import type { Rebuilt } from './rebuild.ts';

export interface OpenStore {
  readonly disk: LastingDisk;
  readonly journal: Journal;
  /** Whether the newest sequence numbers found are the newest ever used; false after damage. */
  readonly numbersAreKnown: boolean;
}

/** @throws the error of the operating system or of lmdb; then nothing is open */
export async function openStore(options: OpenDisk, log: Log): Promise<OpenStore> {
  const { directory } = options;
  await makeFolders(directory);
  const numbersAreKnown = await makeWhole(options, log);
  const disk = await openLastingDisk(options, log);
  try {
    const { journal, isWhole } = await journalIn(directory, disk.found, log);
    return { disk, journal, numbersAreKnown: numbersAreKnown && isWhole };
  } catch (error) {
    await disk.close();
    throw error;
  }
}

/**
 * The newest sequence numbers in a store that cannot be written; undefined if it cannot be read either, or there is none.
 */
export async function peekAtSequences(directory: string): Promise<ReadonlyMap<string, number> | undefined> {
  if (!existsSync(join(directory, 'data.mdb'))) return undefined;
  const examined = await examine(directory, false).catch(() => undefined);
  return examined && 'found' in examined && examined.missing === 0 ? examined.found.sequences : undefined;
}

/**
 * Replaces the store by a copy of its readable content, and sets a damaged one aside.
 * @returns whether the newest sequence numbers are known
 */
async function makeWhole({ directory, bytes }: OpenDisk, log: Log): Promise<boolean> {
  const file = join(directory, 'data.mdb');
  if (!existsSync(file)) return true;
  // The name has no dot, because lmdb treats a path with a dot as a file.
  const draft = `${directory}-draft`;
  const made = await copyTo(draft, { directory, bytes }).catch(async (error: unknown) => {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    // If there is no room for a copy, the store is used as it is.
    if (!isDiskFault(error) || !(await isWhole(directory))) throw error;
    log.warn(`the outbox is used without a copy of it: ${(error as Error).message}`);
    return undefined;
  });
  if (!made) return true;
  const { kept, unreadable, lost, damage, numbersAreKnown } = made;
  if (damage === undefined) {
    await rename(join(draft, 'data.mdb'), file);
    await rm(draft, { recursive: true });
    if (kept > 0)
      log.info({ waiting: kept }, 'messages from before the start are sent once the broker is connected');
  } else {
    const aside = await makeAside(directory);
    await rename(directory, aside);
    await rename(draft, directory);
    log.warn(
      { damage, kept, lost: lost ?? 'unknown' },
      `the outbox was damaged and set aside as ${aside}: ${lost ?? 'an unknown number of'} messages are lost and not sent, ${kept} were kept${numbersAreKnown ? '' : '; sequence numbers continue after a gap'}`,
    );
  }
  await syncFolder(directory);
  await syncFolder(join(directory, '..'));
  if (unreadable > 0)
    log.warn(`${unreadable} messages of the outbox cannot be read and were set aside in it`);
  return numbersAreKnown;
}

async function copyTo(draft: string, { directory, bytes }: OpenDisk): Promise<Rebuilt> {
  let unopened = '';
  for (const withEntries of [true, false]) {
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft);
    const made = await rebuild(directory, draft, bytes, withEntries);
    // A store that cannot be opened is damaged as well.
    if ('numbersAreKnown' in made) return withEntries ? made : { ...made, damage: made.damage ?? unopened };
    unopened = made.damage;
  }
  throw new Error(`no new store could be made (${unopened})`);
}

async function isWhole(directory: string): Promise<boolean> {
  const examined = await examine(directory, true);
  return 'found' in examined && examined.missing === 0;
}

interface FoundJournal {
  readonly journal: Journal;
  /** Whether the newest number of each camera could be read. */
  readonly isWhole: boolean;
}

async function journalIn(directory: string, found: Found, log: Log): Promise<FoundJournal> {
  const path = join(directory, 'journal');
  try {
    const journal = await openJournal(path, found.journal);
    const { damaged } = journal.found;
    if (damaged > 0) {
      const aside = await makeAside(directory);
      await copyFile(path, join(aside, 'journal'));
      log.warn(
        { damaged },
        `records of the outbox's journal cannot be read: a copy was set aside as ${aside}, their results are not sent`,
      );
    }
    return { journal, isWhole: damaged === 0 || camerasIn(found, journal.found).size === 1 };
  } catch (error) {
    const why = (error as Error).message;
    // A file that cannot be read twice is damaged, because of the disk or its content.
    const isDamaged = (error as NodeJS.ErrnoException).code === 'EIO' && (await cannotBeRead(path));
    if (error instanceof UnreadableJournal || isDamaged) {
      const aside = await makeAside(directory);
      await rename(path, join(aside, 'journal'));
      log.warn(
        { damage: why },
        `the outbox's journal could not be read and was set aside as ${aside}: results from just before the last stop are not sent`,
      );
      return { ...(await journalIn(directory, found, log)), isWhole: false };
    }
    // Its content must not be overwritten.
    if (existsSync(path)) throw error;
    log.warn({ err: error }, 'the outbox has no journal: each result waits a little longer for the disk');
    return { journal: openJournalLater(path, found.journal), isWhole: true };
  }
}

const cannotBeRead = (path: string) =>
  readStart(path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'EIO',
  );

/** Record numbers increase: a damaged record between others of the same camera did not contain its newest number. */
function camerasIn({ sequences }: Found, { records }: Scanned): ReadonlySet<string> {
  const parts = records.flatMap(({ parts }) => parts);
  return new Set([...sequences.keys(), ...parts.flatMap(({ part }) => part?.camera ?? [])]);
}
