/** The store on disk: the only importer of lmdb. Every call blocks until it is done, so it runs in its own thread. */
import { type Database, open, type RootDatabase } from 'lmdb';
import { reserveLockFile } from './lock-file.ts';
import { decodeRow, encodeRow, type Read, type Row, timeOf } from './row-code.ts';
import { readState, type StoreState, writeState } from './store-state.ts';

const pageBytes = 4096;
/** Maximum number of entries that one transaction evicts, so that none takes long. */
const evictedAtOnce = 1_000;

export interface Limits {
  /** Limits of each queue. */
  readonly messages: number;
  /** Total size of all queues on the disk. */
  readonly bytes: number;
  readonly ageMs: number;
}

/** The changes of one transaction: afterwards all or none of them are on the disk. */
export interface Change {
  /** By the outbox's clock, ms. */
  readonly now: number;
  readonly limits: Limits;
  /** New sequence numbers by camera. */
  readonly sequences: ReadonlyMap<string, number>;
  readonly queues: ReadonlyMap<string, QueueChange>;
  /** The newest journal record that is completely in the store after this change. */
  readonly journal: number;
}

export interface QueueChange {
  readonly put: readonly Row[];
  readonly remove: readonly number[];
  /** Ids of unreadable messages to set aside. */
  readonly setAside: readonly number[];
  /** Id of the newest message that was stored; newer ones may be in the journal. */
  readonly newestId: number;
  readonly dropped: number;
}

export interface Changed {
  /** Time of the oldest entry; undefined if the queue is empty. */
  readonly oldestAt: number | undefined;
  /** Ids evicted because of the limits, oldest first. */
  readonly evicted: readonly number[];
}

/** State of a store when it was opened. */
export interface Found {
  readonly queues: ReadonlyMap<string, FoundQueue>;
  readonly sequences: ReadonlyMap<string, number>;
  /** Time of the last write by the outbox's clock, ms; undefined in a new store. */
  readonly time: number | undefined;
  /** The newest journal record that was copied to the store; 0 before the first. */
  readonly journal: number;
  /** Number of unreadable entries that were set aside. */
  readonly setAside: number;
  readonly bytes: number;
  /** lmdb's number of the transaction that wrote the state record, and of the newest transaction in the file. */
  readonly transaction: number;
  readonly newestTransaction: number;
  /** Why the state record cannot be trusted; undefined if it can. */
  readonly damage: string | undefined;
}

export interface FoundQueue {
  /** Number of entries as counted by lmdb. */
  readonly messages: number;
  /** Number of entries according to the state record; undefined if the record does not contain it. */
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
  /** The stored bytes of an entry; undefined if there is none. */
  raw(queue: string, id: number): Buffer | undefined;
  /** Entries that were set aside, with their names; `setAside` adds to them. */
  aside(): [string, Buffer][];
  setAside(entries: readonly [string, Buffer][]): void;
  close(): Promise<void>;
}

type Entries = Database<Buffer, number>;

const prefix = 'queue ';

/**
 * Opens or creates a store. lmdb commits by writing pages, waiting for the disk (fdatasync) and then writing the meta page
 * synchronously; so a transaction that has returned survives a power cut, and an interrupted one leaves no trace. @throws
 * errors of lmdb
 */
export function openDisk(directory: string, { readOnly = false, bytes = 0 } = {}): Disk {
  reserveLockFile(directory, readOnly);
  const env: RootDatabase<Buffer, string> = open({
    path: directory,
    // Without the binding's delayed sync: a returned commit is on the disk.
    overlappingSync: false,
    encoding: 'binary',
    maxDbs: 256,
    readOnly,
    // Address space, not disk space; larger than the limit, because pages are rewritten before the old ones are free.
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
  // All names are read first, because opening a database ends the read transaction.
  for (const name of [...env.getKeys()]) if (name.startsWith(prefix)) queueOf(name.slice(prefix.length));

  const lostRecord = () =>
    read.isNew && [...queues.values()].some((entries) => statsOf(entries).entryCount > 0)
      ? 'its state record is missing'
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
            // A damaged key can have any type.
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
        // Appending fills pages; without it they remain half empty.
        for (const row of put) {
          const bytes = encodeRow(name, row);
          // It returns whether the row was the last one, which its types do not declare.
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
      // A missing queue is created by the first put.
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

/** Removes entries that exceed the number or age limit, and returns their ids. */
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

/** Removes the oldest entries of all queues until the rest is within the size limit. */
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
