/** The store on disk: the only importer of lmdb. Every call blocks until it is done; it lives in a thread of its own. */
import { crc32 } from 'node:zlib';
import { type Database, open, type RootDatabase } from 'lmdb';

/** Version of what is written here; a store of a later version is not touched. */
const version = 1;
const pageBytes = 4096;
/** Most entries that one transaction throws away, so that none takes long. */
const evictedAtOnce = 1_000;

export interface Row {
  /** Counts up within its queue. */
  readonly id: number;
  /** When it was put, by the outbox's clock, ms. */
  readonly at: number;
  readonly json: string;
}

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
  /** When the oldest entry was put; undefined where the queue is empty. */
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
}

export interface FoundQueue {
  readonly messages: number;
  readonly newestId: number;
  readonly dropped: number;
  readonly oldestAt: number | undefined;
}

/** A row, or the id of one that is damaged. */
export type Read = Row | { readonly id: number; readonly damaged: true };

export interface Disk {
  found(): Found;
  change(change: Change): Map<string, Changed>;
  /** At most `limit` rows with an id above `after`, in order. */
  read(queue: string, after: number, limit: number): Read[];
  close(): Promise<void>;
}

interface QueueMark {
  readonly newestId: number;
  readonly dropped: number;
}

type Entries = Database<Buffer, number>;

const prefix = 'queue ';

/**
 * Opens or makes a store. lmdb commits by writing pages, waiting for the disk (fdatasync) and then writing the page that
 * makes them count, synchronously; so what a transaction has returned from survives a power cut, and what it has not
 * leaves no trace. @throws what lmdb throws
 */
export function openDisk(directory: string, { readOnly = false, bytes = 0 } = {}): Disk {
  const env: RootDatabase<Buffer, string> = open({
    path: directory,
    // Not the binding's own way of syncing after the commit: returned means on the disk.
    overlappingSync: false,
    encoding: 'binary',
    maxDbs: 256,
    readOnly,
    // Address space, no disk: with room for what is written anew before the old is free.
    ...(!readOnly && { mapSize: 4 * bytes + 64e6 }),
  });
  const marks = env.openDB<unknown, string>('marks', { encoding: 'json' });
  const aside = env.openDB<Buffer, string>('set aside', { encoding: 'binary' });
  const queues = new Map<string, Entries>();
  const queueOf = (name: string): Entries => {
    const known = queues.get(name) ?? env.openDB<Buffer, number>(`${prefix}${name}`, { encoding: 'binary' });
    queues.set(name, known);
    return known;
  };
  const written = marks.get('version');
  if (written !== undefined && written !== version) {
    throw new Error(`the outbox is of version ${written}, this agent reads ${version}`);
  }
  // All names first: opening one ends the reading.
  for (const name of [...env.getKeys()]) if (name.startsWith(prefix)) queueOf(name.slice(prefix.length));

  const found = (): Found => ({
    queues: new Map(
      [...queues].map(([name, entries]) => {
        const mark = marks.get(`queue ${name}`) as QueueMark | undefined;
        const newest = [...entries.getKeys({ reverse: true, limit: 1 })][0] ?? 0;
        return [
          name,
          {
            messages: statsOf(entries).entryCount,
            newestId: Math.max(mark?.newestId ?? 0, newest),
            dropped: mark?.dropped ?? 0,
            oldestAt: oldestAt(entries),
          },
        ];
      }),
    ),
    sequences: new Map(
      [...marks.getRange({ start: 'sequence ', end: 'sequence~' })].map(({ key, value }) => [
        key.slice('sequence '.length),
        value as number,
      ]),
    ),
    time: marks.get('time') as number | undefined,
    journal: (marks.get('journal') as number | undefined) ?? 0,
    setAside: statsOf(aside).entryCount,
    bytes: bytesIn(queues.values()),
  });

  function change({ now, limits, sequences, queues: changes, journal }: Change): Map<string, Changed> {
    for (const name of changes.keys()) queueOf(name);
    return env.transactionSync(() => {
      const evicted = new Map([...queues.keys()].map((name) => [name, [] as number[]]));
      for (const [name, { put, remove, setAside }] of changes) {
        const entries = queueOf(name);
        // Appending fills the pages; without it they stay half empty.
        for (const row of put) {
          const bytes = encode(row);
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
      for (const [camera, sequence] of sequences) marks.putSync(`sequence ${camera}`, sequence);
      for (const [name, { newestId, dropped }] of changes) {
        marks.putSync(`queue ${name}`, { newestId, dropped: dropped + evicted.get(name)!.length });
      }
      marks.putSync('time', now);
      marks.putSync('journal', journal);
      marks.putSync('version', version);
      return new Map(
        [...queues].map(([name, entries]) => [
          name,
          { oldestAt: oldestAt(entries), evicted: evicted.get(name)! },
        ]),
      );
    });
  }

  return {
    found,
    change,
    read(queue, after, limit) {
      // One that is not there yet is made by the first put.
      const entries = queues.get(queue);
      if (!entries) return [];
      return [...entries.getRange({ start: after + 1, limit })].map(({ key, value }) => decode(key, value));
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

function bytesIn(queues: Iterable<Entries>): number {
  let pages = 0;
  for (const entries of queues) {
    const { treeBranchPageCount, treeLeafPageCount, overflowPages } = statsOf(entries);
    pages += treeBranchPageCount + treeLeafPageCount + overflowPages;
  }
  return pages * pageBytes;
}

function oldestAt(entries: Entries): number | undefined {
  for (const { value } of entries.getRange({ limit: 1 })) return timeOf(value);
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
    const [oldest] = filled.toSorted(([, a], [, b]) => (oldestAt(a) ?? 0) - (oldestAt(b) ?? 0));
    if (!oldest) return;
    const [name, entries] = oldest;
    for (const id of [...entries.getKeys({ limit: 16 })]) {
      entries.removeSync(id);
      evicted.get(name)!.push(id);
    }
  }
}

/** CRC-32 of the rest, time as a 64-bit float, JSON in UTF-8: lmdb does not notice bits that fall over. */
function encode({ at, json }: Row): Buffer {
  const bytes = Buffer.allocUnsafe(12 + Buffer.byteLength(json));
  bytes.writeDoubleLE(at, 4);
  bytes.write(json, 12);
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

function decode(id: number, bytes: Buffer): Read {
  if (bytes.length < 12 || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) return { id, damaged: true };
  return { id, at: timeOf(bytes), json: bytes.toString('utf8', 12) };
}

const timeOf = (bytes: Buffer) => (bytes.length < 12 ? 0 : bytes.readDoubleLE(4));
