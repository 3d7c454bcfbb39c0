/** A new store of what can be read of a damaged one; only called in a process that may die of it. */
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Disk,
  type Found,
  type FoundQueue,
  openDisk,
  type QueueChange,
  type Read,
  type Row,
} from './disk.ts';
import { findState } from './store-state.ts';

const endless = Number.MAX_SAFE_INTEGER;
const atOnce = 256;

export interface Rebuilt {
  /** Messages in the new store. */
  readonly kept: number;
  /** Messages that are lost; they count as dropped. Undefined if nobody knows how many there were. */
  readonly lost: number | undefined;
  /** Whether the newest sequence numbers are those that were used. */
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

/** How many entries should be there beside those that were found. */
export function lostOf({ messages, expected = messages }: FoundQueue, entries: number): number {
  return Math.max(0, expected - entries);
}

/**
 * @returns what became of it; the new store has the numbers, the count of dropped messages and the journal of the old one
 * @throws what lmdb throws
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
  const numbersAreKnown = direct !== undefined && !isOlder(directory, direct) && direct.damage === undefined;
  const found = numbersAreKnown ? direct : foundIn(join(directory, 'data.mdb'));
  const journal = join(directory, 'journal');
  if (existsSync(journal)) copyFileSync(journal, join(to, 'journal'));
  const disk = openDisk(to, { bytes });
  const names = new Set([...(found?.queues.keys() ?? []), ...(direct?.queues.keys() ?? [])]);
  let kept = 0;
  let lost: number | undefined = found ? 0 : undefined;
  for (const name of names) {
    const rows = source ? intactOf(source, name) : [];
    const queue = found?.queues.get(name);
    kept += rows.length;
    const gone = queue ? lostOf(queue, rows.length) : 0;
    if (lost !== undefined) lost += gone;
    const newestId = Math.max(queue?.newestId ?? 0, rows.at(-1)?.id ?? 0);
    const dropped = (queue?.dropped ?? 0) + gone;
    for (let from = 0; from === 0 || from < rows.length; from += atOnce) {
      const put = rows.slice(from, from + atOnce);
      write(disk, found, new Map([[name, { put, remove: [], setAside: [], newestId, dropped }]]));
    }
  }
  if (names.size === 0) write(disk, found, new Map());
  await disk.close();
  return { kept, lost, numbersAreKnown };
}

function write(disk: Disk, found: Found | undefined, queues: ReadonlyMap<string, QueueChange>): void {
  const limits = { messages: endless, bytes: endless, ageMs: endless };
  const { time = Date.now(), journal = 0, sequences = new Map() } = found ?? {};
  disk.change({ now: time, limits, sequences, queues, journal });
}

/** The rows that can be read, as far as their order holds. */
function intactOf(disk: Disk, queue: string): Row[] {
  const rows: Row[] = [];
  try {
    for (const row of entriesOf(disk, queue)) if (!('damaged' in row)) rows.push(row);
  } catch {
    // What lies behind the damage cannot be found.
  }
  return rows;
}

/** Whether lmdb sees the store as it was some time ago: a page is an older one. */
export function isOlder(directory: string, { transaction, newestTransaction }: Found): boolean {
  const newest = findState(join(directory, 'data.mdb'), newestTransaction);
  return newest !== undefined && newest.transaction > transaction;
}

/** As the store recorded it last, in a file that lmdb cannot read. */
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
