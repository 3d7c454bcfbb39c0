/** Makes a new store from the readable content of a damaged one; only called in a child process, because it may crash. */
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { outboxClock } from './clock.ts';
import { type Disk, type Found, type FoundQueue, openDisk, type QueueChange } from './disk.ts';
import type { Read, Row } from './row-code.ts';
import { findState } from './store-state.ts';

const endless = Number.MAX_SAFE_INTEGER;
const atOnce = 500;

export interface Rebuilt {
  /** Messages in the new store. */
  readonly kept: number;
  /** Number of damaged messages: set aside in the new store and counted as dropped. */
  readonly unreadable: number;
  /** Number of missing messages, which count as dropped; undefined if unknown. */
  readonly lost: number | undefined;
  /** What is wrong with the pages; undefined if they are intact. */
  readonly damage: string | undefined;
  /** Whether the newest sequence numbers are the newest that were ever used. */
  readonly numbersAreKnown: boolean;
}

/** Every entry of a queue in order. @throws Error if they are out of order: the pages are damaged */
export function* entriesOf(disk: Disk, queue: string): Generator<Read> {
  for (let after = 0; ; ) {
    const rows = disk.read(queue, after, atOnce);
    for (const row of rows) {
      if (!(row.id > after)) throw new Error(`the messages of ${queue} are out of order`);
      after = row.id;
      yield row;
    }
    if (rows.length === 0) return;
  }
}

/** Number of missing entries. */
export function lostOf({ messages, expected = messages }: FoundQueue, entries: number): number {
  return Math.max(0, expected - entries);
}

/**
 * Copies a store, so that nothing is written into damaged pages: lmdb does not detect them and may crash. The new store has
 * the numbers, the count of dropped messages and the journal of the old one. @throws errors of lmdb
 */
export async function rebuildStore({
  directory,
  to,
  bytes,
  withEntries,
}: {
  readonly directory: string;
  readonly to: string;
  readonly bytes: number;
  readonly withEntries: boolean;
}): Promise<Rebuilt> {
  const source = withEntries ? openDisk(directory, { readOnly: true }) : undefined;
  const direct = source?.found();
  let damage = direct?.damage;
  if (direct && isOlder(directory, direct)) damage ??= 'a page of it is an older one';
  const numbersAreKnown = direct !== undefined && damage === undefined;
  const found = numbersAreKnown ? direct : foundIn(join(directory, 'data.mdb'));
  const journal = join(directory, 'journal');
  if (existsSync(journal)) copyFileSync(journal, join(to, 'journal'));
  const disk = openDisk(to, { bytes });
  if (source) disk.setAside(source.aside());
  let [kept, unreadable, lost] = [0, 0, found ? 0 : undefined];
  write(disk, found, new Map());
  for (const name of new Set([...(found?.queues.keys() ?? []), ...(direct?.queues.keys() ?? [])])) {
    const { rows, damaged, why } = source ? entriesIn(source, name) : nothing;
    damage ??= why;
    disk.setAside(damaged.map((id) => [`${name} ${id}`, source?.raw(name, id) ?? Buffer.alloc(0)]));
    const queue = found?.queues.get(name);
    const gone = queue ? lostOf(queue, rows.length + damaged.length) : 0;
    if (gone > 0) damage ??= `${gone} messages of ${name} are missing`;
    kept += rows.length;
    unreadable += damaged.length;
    if (lost !== undefined) lost += gone;
    const newestId = Math.max(queue?.newestId ?? 0, rows.at(-1)?.id ?? 0);
    const dropped = (queue?.dropped ?? 0) + gone + damaged.length;
    for (let from = 0; from === 0 || from < rows.length; from += atOnce) {
      const put = rows.slice(from, from + atOnce);
      write(disk, found, new Map([[name, { put, remove: [], setAside: [], newestId, dropped }]]));
    }
  }
  await disk.close();
  return { kept, unreadable, lost, damage, numbersAreKnown };
}

function write(disk: Disk, found: Found | undefined, queues: ReadonlyMap<string, QueueChange>): void {
  const limits = { messages: endless, bytes: endless, ageMs: endless };
  const { time = outboxClock(undefined).now(), journal = 0, sequences = new Map() } = found ?? {};
  disk.change({ now: time, limits, sequences, queues, journal });
}

interface Entries {
  readonly rows: Row[];
  /** Ids of entries whose content does not match its checksum. */
  readonly damaged: number[];
  /** Why entries may be missing; undefined if these are all. */
  readonly why?: string;
}
const nothing: Entries = { rows: [], damaged: [] };

function entriesIn(disk: Disk, queue: string): Entries {
  const entries: Entries = { rows: [], damaged: [] };
  try {
    for (const row of entriesOf(disk, queue)) {
      if ('damaged' in row) entries.damaged.push(row.id);
      else entries.rows.push(row);
    }
    return entries;
  } catch (error) {
    // Entries behind the damage cannot be found.
    return { ...entries, why: (error as Error).message };
  }
}

/** Whether lmdb shows an older state of the store: a page has old content. */
export function isOlder(directory: string, { transaction, newestTransaction }: Found): boolean {
  const newest = findState(join(directory, 'data.mdb'), newestTransaction);
  return newest !== undefined && newest.transaction > transaction;
}

/** The newest state record in a file that lmdb cannot read. */
function foundIn(file: string): Found | undefined {
  const state = findState(file);
  if (!state) return undefined;
  return {
    queues: new Map(
      Object.entries(state.queues).map(([name, queue]) => [
        name,
        { ...queue, messages: 0, expected: queue.messages, oldestAt: undefined },
      ]),
    ),
    sequences: new Map(Object.entries(state.sequences)),
    time: state.time,
    journal: state.journal,
    setAside: 0,
    bytes: 0,
    transaction: state.transaction,
    newestTransaction: state.transaction,
    damage: undefined,
  };
}
