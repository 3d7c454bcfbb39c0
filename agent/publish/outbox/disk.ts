/** The store on disk: the only importer of lmdb. Every call blocks until it is done; it lives in its own thread. */
import { type Database, open, type RootDatabase } from 'lmdb';
import { reserveLockFile } from './lock-file.ts';
import { decodeRow, encodeRow, type Read, type Row, timeOf } from './row-code.ts';
import { readState, type StoreState, writeState } from './store-state.ts';

const pageBytes = 4096;
/** Most entries that one transaction throws away, so that none takes long. */
const evictedAtOnce = 1_000;

export interface Limits {
  /** In each queue. */
  readonly messages: number;
  /** All queues together, as they lie on the disk. */
  readonly bytes: number;
  readonly ageMs: number;
}

/** What is changed in one transaction: all of it is on the disk afterwards, or none. */
export interface Change {
  /** By the outbox's clock, ms. */
  readonly now: number;
  readonly limits: Limits;
  /** New numbers by camera. */
  readonly sequences: ReadonlyMap<string, number>;
  readonly queues: ReadonlyMap<string, QueueChange>;
  /** The journal's newest record of which all is in the store with this. */
  readonly journal: number;
}

export interface QueueChange {
  readonly put: readonly Row[];
  readonly remove: readonly number[];
  /** Moved to where nobody sends from. */
  readonly setAside: readonly number[];
  /** Of those that were ever put; newer ones may be in the journal. */
  readonly newestId: number;
  readonly dropped: number;
}

export interface Changed {
  /** When the oldest entry was put; undefined if the queue is empty. */
  readonly oldestAt: number | undefined;
  /** Thrown away because of the limits, oldest first. */
  readonly evicted: readonly number[];
}

/** How a store was found. */
export interface Found {
  readonly queues: ReadonlyMap<string, FoundQueue>;
  readonly sequences: ReadonlyMap<string, number>;
  /** The outbox's clock when it was last written, ms; undefined in a new one. */
  readonly time: number | undefined;
  /** The journal's newest record that was taken over; 0 before the first. */
  readonly journal: number;
  /** Entries that could not be read, kept for whoever wants to look. */
  readonly setAside: number;
  readonly bytes: number;
  /** lmdb's number of the transaction that the store's record of itself is of, and of the newest one in the file. */
  readonly transaction: number;
  readonly newestTransaction: number;
  /** Why what the store says about itself cannot be trusted; undefined if it can. */
  readonly damage: string | undefined;
}

export interface FoundQueue {
  /** Entries, as lmdb counts them. */
  readonly messages: number;
  /** Entries as of the last transaction, by the store's own record; undefined if that record does not say. */
  readonly expected?: number | undefined;
  readonly newestId: number;
  readonly dropped: number;
  readonly oldestAt: number | undefined;
}

export interface Disk {
  found(): Found;
  change(change: Change): Map<string, Changed>;
  /** At most `limit` rows with an id above `after`, in order. */
  read(queue: string, after: number, limit: number): Read[];
  /** An entry as it lies there; undefined if there is none. */
  raw(queue: string, id: number): Buffer | undefined;
  /** What was set aside, by a name of its own; `setAside` adds to it. */
  aside(): [string, Buffer][];
  setAside(entries: readonly [string, Buffer][]): void;
  close(): Promise<void>;
}

type Entries = Database<Buffer, number>;

const prefix = 'queue ';

/**
 * Opens or makes a store. lmdb commits by writing pages, waiting for the disk (fdatasync) and then writing the page that
 * makes them count, synchronously; so what a transaction has returned from survives a power cut, and what it has not
 * leaves no trace. @throws what lmdb throws
 */
export function openDisk(directory: string, { readOnly = false, bytes = 0 } = {}): Disk {
  reserveLockFile(directory, readOnly);
  const env: RootDatabase<Buffer, string> = open({
    path: directory,
    // Not the binding's own way of syncing after the commit: returned means on the disk.
    overlappingSync: false,
    encoding: 'binary',
    maxDbs: 256,
    readOnly,
    // Address space, no disk: with room for what is written again before the old is free.
    ...(!readOnly && { mapSize: 4 * bytes + 64e6 }),
  });
  const marks = env.openDB<Buffer, string>('marks', { encoding: 'binary' });
  const aside = env.openDB<Buffer, string>('set aside', { encoding: 'binary' });
  const queues = new Map<string, Entries>();
  const queueOf = (name: string): Entries => {
    const known = queues.get(name) ?? env.openDB<Buffer, number>(`${prefix}${name}`, { encoding: 'binary' });
    queues.set(name, known);
    return known;
  };
  const read = readState(marks);
  let state = read.state;
  // All names first: opening one ends the reading.
  for (const name of [...env.getKeys()]) if (name.startsWith(prefix)) queueOf(name.slice(prefix.length));

  const lostRecord = () =>
    read.isNew && [...queues.values()].some((entries) => statsOf(entries).entryCount > 0)
      ? 'its record of itself is missing'
      : undefined;
  const found = (): Found => ({
    queues: new Map(
      [...new Set([...queues.keys(), ...Object.keys(state.queues)])].map((name) => {
        const entries = queues.get(name);
        const mark = state.queues[name];
        const newest = entries ? ([...entries.getKeys({ reverse: true, limit: 1 })][0] ?? 0) : 0;
        return [
          name,
          {
            messages: entries ? statsOf(entries).entryCount : 0,
            expected: mark?.messages,
            // A damaged key may be anything.
            newestId: mark?.newestId ?? (Number.isSafeInteger(newest) ? newest : 0),
            dropped: mark?.dropped ?? 0,
            oldestAt: entries && oldestOf(entries)?.at,
          },
        ];
      }),
    ),
    sequences: new Map(Object.entries(state.sequences)),
    time: state.time,
    journal: state.journal,
    setAside: statsOf(aside).entryCount,
    bytes: bytesIn(queues.values()),
    transaction: state.transaction,
    newestTransaction: newestTransaction(env),
    damage: read.damage ?? lostRecord(),
  });

  function change({ now, limits, sequences, queues: changes, journal }: Change): Map<string, Changed> {
    for (const name of changes.keys()) queueOf(name);
    const next: StoreState = { ...state, transaction: newestTransaction(env) + 1, time: now, journal };
    const changed = env.transactionSync(() => {
      const evicted = new Map([...queues.keys()].map((name) => [name, [] as number[]]));
      for (const [name, { put, remove, setAside }] of changes) {
        const entries = queueOf(name);
        // Appending fills the pages; without it they stay half empty.
        for (const row of put) {
          const bytes = encodeRow(name, row);
          // It says whether the row came last, which its types do not know.
          const appended = entries.putSync(row.id, bytes, { append: true }) as unknown as boolean;
          if (!appended) entries.putSync(row.id, bytes);
        }
        for (const id of setAside) {
          const entry = entries.get(id);
          if (entry) aside.putSync(`${name} ${id}`, entry);
        }
        for (const id of [...remove, ...setAside]) entries.removeSync(id);
      }
      for (const [name, entries] of queues) evicted.get(name)!.push(...tooMany(entries, limits, now));
      evictBytes(queues, limits.bytes, evicted);
      next.sequences = { ...state.sequences, ...Object.fromEntries(sequences) };
      next.queues = { ...state.queues };
      const done = new Map<string, Changed>();
      for (const [name, entries] of queues) {
        const change = changes.get(name);
        const oldest = oldestOf(entries);
        const gone = evicted.get(name)!;
        next.queues[name] = {
          newestId: change?.newestId ?? state.queues[name]?.newestId ?? 0,
          dropped: (change?.dropped ?? state.queues[name]?.dropped ?? 0) + gone.length,
          messages: statsOf(entries).entryCount,
        };
        done.set(name, { oldestAt: oldest?.at, evicted: gone });
      }
      writeState(marks, next);
      return done;
    });
    // Only once it is on the disk.
    state = next;
    return changed;
  }

  return {
    found,
    change,
    read(queue, after, limit) {
      // One that is not there yet is made by the first put.
      const entries = queues.get(queue);
      if (!entries) return [];
      return [...entries.getRange({ start: after + 1, limit })].map(({ key, value }) =>
        decodeRow(queue, key, value),
      );
    },
    raw: (queue, id) => queues.get(queue)?.get(id),
    aside: () => Array.from(aside.getRange({}), ({ key, value }) => [key, Buffer.from(value)]),
    setAside(entries) {
      env.transactionSync(() => {
        for (const [name, bytes] of entries) aside.putSync(name, bytes);
      });
    },
    close: () => env.close(),
  };
}

interface Stats {
  readonly entryCount: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

const statsOf = (entries: Entries | Database<Buffer, string>) => entries.getStats() as unknown as Stats;

const newestTransaction = (env: RootDatabase<Buffer, string>) =>
  (env.getStats() as unknown as { readonly lastTxnId: number }).lastTxnId;

function bytesIn(queues: Iterable<Entries>): number {
  let pages = 0;
  for (const entries of queues) {
    const { treeBranchPageCount, treeLeafPageCount, overflowPages } = statsOf(entries);
    pages += treeBranchPageCount + treeLeafPageCount + overflowPages;
  }
  return pages * pageBytes;
}

function oldestOf(entries: Entries): { readonly id: number; readonly at: number } | undefined {
  for (const { key, value } of entries.getRange({ limit: 1 })) return { id: key, at: timeOf(value) };
  return undefined;
}

/** Removes what is over the number or too old, and says what that was. */
function tooMany(entries: Entries, { messages, ageMs }: Limits, now: number): number[] {
  const over = statsOf(entries).entryCount - messages;
  const gone: number[] = [];
  for (const { key, value } of entries.getRange({ limit: evictedAtOnce })) {
    if (gone.length >= over && now - timeOf(value) <= ageMs) break;
    gone.push(key);
  }
  for (const id of gone) entries.removeSync(id);
  return gone;
}

/** Removes the oldest, whichever queue it is in, until the rest is small enough. */
function evictBytes(
  queues: ReadonlyMap<string, Entries>,
  most: number,
  evicted: Map<string, number[]>,
): void {
  for (let n = 0; n < evictedAtOnce && bytesIn(queues.values()) > most; n++) {
    const filled = [...queues].filter(([, entries]) => statsOf(entries).entryCount > 0);
    const [oldest] = filled.toSorted(([, a], [, b]) => (oldestOf(a)?.at ?? 0) - (oldestOf(b)?.at ?? 0));
    if (!oldest) return;
    const [name, entries] = oldest;
    for (const id of [...entries.getKeys({ limit: 16 })]) {
      entries.removeSync(id);
      evicted.get(name)!.push(id);
    }
  }
}
